"""Writes LoRA tensors as a GGUF adapter that llama.cpp loads over the quantized model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """Return llama.cpp's name: `layers.3.mlp.up_proj.lora_a` -> `blk.3.ffn_up.weight.lora_a`."""
    _, number, *layer, side = name.split(".")
    return f"blk.{number}.{_NAMES['.'.join(layer)]}.weight.{side}"


def permute_heads(rows: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Return `rows` (heads * width, n) in llama.cpp's order of rotary dimensions.

    transformers rotates the first half of a head's rows against the second half, llama.cpp each
    row against the next: rows 0, 1, ... become 0, width/2, 1, width/2 + 1, ... within a head
    (`permute` in llama.cpp's convert_hf_to_gguf.py).
    """
    width = rows.shape[0] // heads
    return rows.reshape(heads, 2, width // 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def restore_heads(rows: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Return `rows` in transformers' order: the inverse of `permute_heads`."""
    width = rows.shape[0] // heads
    return rows.reshape(heads, width // 2, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def read_adapter(path: Path, *, heads: int, key_heads: int) -> dict[str, torch.Tensor]:
    """Return the tensors of a GGUF adapter, named and ordered as `lora_tensors` does.

    Args:
        path: a file that `write_adapter` wrote.
        heads: attention heads of the model.
        key_heads: key-value heads of the model.
    """
    import gguf
    import numpy as np
    import torch

    own_names = {name: own for own, name in _NAMES.items()}
    tensors = {}
    for tensor in gguf.GGUFReader(path).tensors:
        _, number, layer, _, side = str(tensor.name).split(".")
        rows = np.array(tensor.data, dtype=np.float32)
        if side == "lora_b" and layer in ("attn_q", "attn_k"):
            rows = restore_heads(rows, heads if layer == "attn_q" else key_heads)
        tensors[f"layers.{number}.{own_names[layer]}.{side}"] = torch.from_numpy(rows)
    return tensors


def write_adapter(
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    *,
    alpha: float,
    heads: int,
    key_heads: int,
    architecture: str = "llama",
    name: str = "answer-adapter",
) -> None:
    """Write a GGUF adapter in float16; an existing file is replaced only by a whole one.

    Args:
        tensors: A (rank, in) and B (out, rank) of each layer, named as `lora_tensors` does.
        path: the file to write.
        alpha: LoRA's alpha; llama.cpp divides it by the rank.
        heads: attention heads of the model, for the rows of q.
        key_heads: key-value heads, for the rows of k.
        architecture: llama.cpp's name of the model's architecture.
        name: the adapter's name in its metadata.
    """
    import gguf
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    writer.add_name(name)
    writer.add_license("apache-2.0")
    for own, tensor in sorted(tensors.items()):
        rows = tensor.float().numpy()
        if own.endswith("q_proj.lora_b"):
            rows = permute_heads(rows, heads)
        elif own.endswith("k_proj.lora_b"):
            rows = permute_heads(rows, key_heads)
        writer.add_tensor(gguf_name(own), np.ascontiguousarray(rows, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(part, path)
