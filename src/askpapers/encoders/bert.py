"""BERT's encoder on plain PyTorch, in the layout and with the tensor names of its files.

The question's vector, the reader and the judge all run on MiniLM, a BERT of six layers. Reading it
through transformers costs more start-up than everything that a question needs (2.5 s of imports
against 1.1 s for torch alone). Source: Devlin et al., "BERT", NAACL 2019; the post-norm layer of
Vaswani et al. 2017.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askpapers.errors import ModelDamaged, ModelMissing


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes that `config.json` states."""

    pieces: int
    positions: int
    kinds: int
    width: int
    inner: int
    layers: int
    heads: int
    epsilon: float

    @classmethod
    def read(cls, folder: Path) -> BertShape:
        """Read them from the folder of a BERT.

        Raises:
            ModelMissing: there is no `config.json`.
            ModelDamaged: it cannot be read, or it is another kind of network.
        """
        path = folder / "config.json"
        if not path.is_file():
            raise ModelMissing(f"There is no model configuration at {str(path)!r}.")
        try:
            told = json.loads(path.read_text("utf-8"))
            if told["model_type"] != "bert" or told.get("hidden_act", "gelu") != "gelu":
                raise ModelDamaged(f"The model in {str(folder)!r} is no BERT.")
            return cls(
                told["vocab_size"],
                told["max_position_embeddings"],
                told["type_vocab_size"],
                told["hidden_size"],
                told["intermediate_size"],
                told["num_hidden_layers"],
                told["num_attention_heads"],
                told.get("layer_norm_eps", 1e-12),
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ModelDamaged(f"The configuration {str(path)!r} cannot be read: {exc}.") from exc


def load_bert(folder: Path) -> Any:
    """Return the encoder in `folder` as a torch module.

    Called with `input_ids` and `attention_mask`, int64 (b, t), and perhaps `token_type_ids`, it
    returns the last states (b, t, width). No dropout: nothing here trains with it.

    Raises:
        ModelMissing: a file is not there.
        ModelDamaged: the weights cannot be read or have another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise ModelMissing(f"There are no BERT weights in {str(folder)!r}.")
    network = _make_network(BertShape.read(folder))
    try:
        weights = {name.removeprefix("bert."): value for name, value in load_file(path).items()}
        missing, _ = network.load_state_dict(weights, strict=False, assign=True)
    except (SafetensorError, OSError, RuntimeError) as exc:
        raise ModelDamaged(f"The weights in {str(folder)!r} cannot be read: {exc}.") from exc
    if missing:
        raise ModelDamaged(f"The weights in {str(folder)!r} lack {missing[0]!r}.")
    return network.float()


def _make_network(shape: BertShape) -> Any:
    """Return the module with its weights unset: they are assigned from a file at once."""
    import torch
    from torch import Tensor, nn

    class Linear(nn.Linear):
        def reset_parameters(self) -> None:
            pass

    class Embedding(nn.Embedding):
        def reset_parameters(self) -> None:
            pass

    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = Linear(shape.width, shape.width)
            self.key = Linear(shape.width, shape.width)
            self.value = Linear(shape.width, shape.width)

        def forward(self, states: Tensor, bias: Tensor) -> Tensor:
            def part(linear: nn.Module) -> Tensor:
                made: Tensor = linear(states)
                return made.unflatten(-1, (shape.heads, -1)).transpose(1, 2)

            query, key, value = part(self.query), part(self.key), part(self.value)
            if torch.is_grad_enabled():
                # On a CPU the fused kernel's backward takes twice as long as this.
                odds = query @ key.transpose(-1, -2) / (query.shape[-1] ** 0.5) + bias.to(
                    query.dtype
                )
                mixed = odds.softmax(-1) @ value
            else:
                mixed = nn.functional.scaled_dot_product_attention(
                    query, key, value, attn_mask=bias.to(query.dtype)
                )
            return mixed.transpose(1, 2).flatten(2)

    class Output(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.dense = Linear(width, shape.width)
            self.LayerNorm = nn.LayerNorm(shape.width, eps=shape.epsilon)

        def forward(self, states: Tensor, before: Tensor) -> Tensor:
            made: Tensor = self.LayerNorm(self.dense(states) + before)
            return made

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Output(shape.width)})
            self.intermediate = nn.ModuleDict({"dense": Linear(shape.width, shape.inner)})
            self.output = Output(shape.inner)

        def forward(self, states: Tensor, bias: Tensor) -> Tensor:
            seen = self.attention["output"](self.attention["self"](states, bias), states)
            inner = nn.functional.gelu(self.intermediate["dense"](seen))
            made: Tensor = self.output(inner, seen)
            return made

    class Embeddings(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word_embeddings = Embedding(shape.pieces, shape.width)
            self.position_embeddings = Embedding(shape.positions, shape.width)
            self.token_type_embeddings = Embedding(shape.kinds, shape.width)
            self.LayerNorm = nn.LayerNorm(shape.width, eps=shape.epsilon)

        def forward(self, ids: Tensor, kinds: Tensor) -> Tensor:
            places = torch.arange(ids.shape[1], device=ids.device)
            made: Tensor = self.LayerNorm(
                self.word_embeddings(ids)
                + self.token_type_embeddings(kinds)
                + self.position_embeddings(places)
            )
            return made

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.width = shape.width
            self.embeddings = Embeddings()
            self.encoder = nn.ModuleDict(
                {"layer": nn.ModuleList(Layer() for _ in range(shape.layers))}
            )

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
        ) -> Tensor:
            kinds = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
            states: Tensor = self.embeddings(input_ids, kinds)
            bias = torch.zeros(attention_mask.shape, dtype=states.dtype, device=states.device)
            bias = bias.masked_fill(attention_mask == 0, -1e4)[:, None, None, :]
            layers: Any = self.encoder["layer"]
            for layer in layers:
                states = layer(states, bias)
            return states

    return Bert()


def has_fast_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 in hardware (elsewhere it is slower)."""
    import torch

    capability = getattr(torch.cpu, "get_capabilities", None)
    if capability is None:
        return False
    found = capability()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16") or found.get("bf16"))
