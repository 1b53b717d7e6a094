"""A Llama on plain PyTorch that measures how likely a text is, read from a GGUF file.

llama.cpp writes token by token well; a few whole passages at once it reads on two cores at a
seventh of this speed, with an adapter beside the quantized weights. Weights are dequantized and the
adapter is merged when the file is opened. Names and layout are those of the file: the rows of
queries and keys are ordered for rotating each with the next. Sources: Touvron et al. 2023,
"LLaMA"; Su et al. 2021, "RoFormer" (rotary positions); Ainslie et al. 2023, "GQA".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from askpapers.encoders.bert import has_fast_bfloat16
from askpapers.encoders.gguf_weights import read_weights
from askpapers.encoders.low_rank import branch_off, merge_adapter
from askpapers.encoders.mean_bert import cut_batches
from askpapers.errors import ModelDamaged

MAX_TOKENS = 512
_TOKENS_PER_BATCH = 1024


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """The sizes that a GGUF file states; `turn` is the base of the rotary angles."""

    width: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    turn: float
    epsilon: float


class Llama:
    """Measures texts; bfloat16 where the processor has it, one thread of control at a time.

    Args:
        gguf: a Llama with tied embeddings.
        encode: returns the token numbers of a text, control tokens read as characters.
        adapter: a low-rank adapter merged into the weights, or None.

    Raises:
        ModelMissing: the adapter is not there.
        ModelDamaged: a file cannot be read, is of another kind, or they don't fit.
    """

    def __init__(
        self, gguf: Path, encode: Callable[[str], list[int]], *, adapter: Path | None = None
    ) -> None:
        import torch

        self._encode = encode
        self._network = load_llama(gguf)
        if adapter is not None:
            merge_adapter(self._network, adapter)
        self._network.eval()
        if has_fast_bfloat16():
            self._network.to(torch.bfloat16)
        self._lock = Lock()

    def branch(self, adapter: Path) -> Llama:
        """Return this model with one more adapter; weights it doesn't touch are shared.

        Raises:
            ModelMissing: there is no such file.
            ModelDamaged: it cannot be read or doesn't fit.
        """
        other = copy.copy(self)
        other._network = branch_off(self._network, adapter)
        return other

    def measure(self, texts: Sequence[tuple[str, str]]) -> list[float]:
        """Return log P(second | first) in nats, the sum over the second's tokens, of each pair.

        A pair longer than MAX_TOKENS loses the beginning of its first text, then that of its
        second. The second is not empty.
        """
        import torch

        cut = []
        for before, after in texts:
            read, told = self._encode(before), self._encode(after)[1 - MAX_TOKENS :]
            read = read[-(MAX_TOKENS - len(told)) :]
            cut.append((read + told, len(read)))
        found = [0.0] * len(cut)
        order = sorted(range(len(cut)), key=lambda place: len(cut[place][0]))
        lengths = [len(ids) for ids, _ in cut]
        with self._lock, torch.inference_mode():
            for rows in cut_batches(order, lengths, _TOKENS_PER_BATCH):
                ids = torch.zeros(len(rows), lengths[rows[-1]], dtype=torch.long)
                for place, row in enumerate(rows):
                    ids[place, : lengths[row]] = torch.tensor(cut[row][0])
                states = self._network(ids)
                for place, row in enumerate(rows):
                    start, end = cut[row][1], lengths[row]
                    logits = self._network.predict(states[place, start - 1 : end - 1]).float()
                    nats = logits.log_softmax(-1).gather(1, ids[place, start:end, None])
                    found[row] = float(nats.sum())
        return found


def load_llama(gguf: Path) -> Any:
    """Return the network in a GGUF file as a torch module in single precision.

    Called with token numbers, int64 (b, t), it returns the last states (b, t, width); `predict`
    turns states (..., width) into logits of the next token. Padding stands on the right.

    Raises:
        ModelDamaged: the file cannot be read or is of another kind.
    """
    read = read_weights(gguf)
    try:
        shape = _read_shape(read.numbers)
        network = _make_network(shape, len(read.tensors["token_embd.weight"]))
        network.load_state_dict(read.tensors, assign=True)
    except (KeyError, RuntimeError) as exc:
        raise ModelDamaged(f"The model {str(gguf)!r} cannot be read as a Llama: {exc}.") from exc
    network.requires_grad_(False)
    return network


def _read_shape(numbers: Mapping[str, Any]) -> LlamaShape:
    def told(name: str) -> Any:
        return numbers[f"llama.{name}"]

    return LlamaShape(
        width=int(told("embedding_length")),
        inner=int(told("feed_forward_length")),
        layers=int(told("block_count")),
        heads=int(told("attention.head_count")),
        key_heads=int(told("attention.head_count_kv")),
        turn=float(told("rope.freq_base")),
        epsilon=float(told("attention.layer_norm_rms_epsilon")),
    )


def _make_network(shape: LlamaShape, pieces: int) -> Any:
    """Return the module with its weights unset: they are assigned from a file at once."""
    import torch
    from torch import Tensor, nn

    size = shape.width // shape.heads

    def linear(inputs: int, outputs: int) -> nn.Module:
        return nn.Linear(inputs, outputs, bias=False, device="meta")

    def norm() -> nn.Module:
        return nn.RMSNorm(shape.width, eps=shape.epsilon, device="meta")

    def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        even, odd = states[..., 0::2], states[..., 1::2]
        turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
        return turned.flatten(-2)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn_norm = norm()
            self.attn_q = linear(shape.width, shape.heads * size)
            self.attn_k = linear(shape.width, shape.key_heads * size)
            self.attn_v = linear(shape.width, shape.key_heads * size)
            self.attn_output = linear(shape.heads * size, shape.width)
            self.ffn_norm = norm()
            self.ffn_gate = linear(shape.width, shape.inner)
            self.ffn_up = linear(shape.width, shape.inner)
            self.ffn_down = linear(shape.inner, shape.width)

        def forward(self, states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
            seen = self.attn_norm(states)

            def part(layer: nn.Module) -> Tensor:
                made: Tensor = layer(seen)
                return made.unflatten(-1, (-1, size)).transpose(1, 2)

            query = rotate(part(self.attn_q), cosine, sine)
            key = rotate(part(self.attn_k), cosine, sine)
            shared = shape.heads // shape.key_heads
            mixed = nn.functional.scaled_dot_product_attention(
                query,
                key.repeat_interleave(shared, dim=1),
                part(self.attn_v).repeat_interleave(shared, dim=1),
                is_causal=True,
            )
            states = states + self.attn_output(mixed.transpose(1, 2).flatten(2))
            seen = self.ffn_norm(states)
            inner = nn.functional.silu(self.ffn_gate(seen)) * self.ffn_up(seen)
            made: Tensor = states + self.ffn_down(inner)
            return made

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token_embd = nn.Embedding(pieces, shape.width, device="meta")
            self.blk = nn.ModuleList(Block() for _ in range(shape.layers))
            self.output_norm = norm()

        def forward(self, ids: Tensor) -> Tensor:
            states: Tensor = self.token_embd(ids)
            steps = shape.turn ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
            angles = torch.arange(ids.shape[1])[:, None] * steps
            cosine, sine = angles.cos().to(states.dtype), angles.sin().to(states.dtype)
            for block in self.blk:
                states = block(states, cosine, sine)
            made: Tensor = self.output_norm(states)
            return made

        def predict(self, states: Tensor) -> Tensor:
            return nn.functional.linear(states, self.token_embd.weight)

    return Network()
