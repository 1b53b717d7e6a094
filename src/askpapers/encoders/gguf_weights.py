"""The sizes and weights in a GGUF file, without its vocabulary.

The gguf package builds an object for each of 98,000 strings of the vocabulary and dequantizes on
one core: 7 s for a model of 98 MB that is read here in one. Source: docs/gguf.md and
ggml-quants.c of ggml-org/ggml.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askpapers.errors import ModelDamaged

if TYPE_CHECKING:
    import numpy as np
    import torch

_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_F32, _F16, _Q4_1, _Q8_0 = 0, 1, 3, 8
_BLOCK = 32
_BYTES = {_F32: 4 * _BLOCK, _F16: 2 * _BLOCK, _Q4_1: 20, _Q8_0: 34}
"""Of a block of 32 weights, by the number of its type."""


@dataclass(frozen=True, slots=True)
class GgufWeights:
    """Numbers by key (`llama.block_count`), and float32 tensors by name, rows first."""

    numbers: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def read_weights(path: Path) -> GgufWeights:
    """Read a GGUF file of version 2 or 3 whose weights are F32, F16, Q4_1 or Q8_0.

    Raises:
        ModelDamaged: it is none, is cut short, or holds weights of another type.
    """
    import numpy as np

    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
        return _read(data)
    except (OSError, ValueError, KeyError, struct.error, UnicodeDecodeError) as exc:
        raise ModelDamaged(f"The model file {str(path)!r} cannot be read: {exc}.") from exc


class _Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data.data
        self.at = 0

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(f"<{code}")
        return value

    def string(self) -> bytes:
        size = self.number("Q")
        self.at += size
        if self.at > len(self.data):
            raise ValueError("it is cut short")
        return bytes(self.data[self.at - size : self.at])

    def value(self, kind: int) -> Any:
        """Return a number, or None for what is passed over."""
        if kind == _STRING:
            self.string()
        elif kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _NUMBERS:
                self.at += count * struct.calcsize(f"<{_NUMBERS[inner]}")
            else:
                for _ in range(count):
                    self.value(inner)
        else:
            return self.number(_NUMBERS[kind])
        return None


def _read(data: np.ndarray) -> GgufWeights:
    import math

    import torch

    cursor = _Cursor(data)
    magic, version = cursor.number("4s"), cursor.number("I")
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("it is no GGUF file of version 2 or 3")
    tensor_count, key_count = cursor.number("Q"), cursor.number("Q")
    numbers: dict[str, Any] = {}
    for _ in range(key_count):
        key = cursor.string().decode()
        value = cursor.value(cursor.number("I"))
        if value is not None:
            numbers[key] = value
    places = []
    for _ in range(tensor_count):
        name = cursor.string().decode()
        shape = [cursor.number("Q") for _ in range(cursor.number("I"))][::-1]
        places.append((name, shape, cursor.number("I"), cursor.number("Q")))
    step = int(numbers.get("general.alignment", 32))
    start = -(-cursor.at // step) * step
    tensors = {}
    for name, shape, kind, offset in places:
        size = math.prod(shape) // _BLOCK * _BYTES[kind]
        raw = data[start + offset : start + offset + size]
        if len(raw) < size:
            raise ValueError("it is cut short")
        tensors[name] = _dequantize(torch.tensor(raw), kind).reshape(shape)
    return GgufWeights(numbers, tensors)


def _dequantize(raw: torch.Tensor, kind: int) -> torch.Tensor:
    """Return float32 weights, flat, of uint8 (n,)."""
    import torch

    if kind == _F32:
        return raw.view(torch.float32)
    if kind == _F16:
        return raw.view(torch.float16).float()
    blocks = raw.view(-1, _BYTES[kind])
    scale = blocks[:, :2].contiguous().view(torch.float16).float()
    if kind == _Q8_0:
        return (blocks[:, 2:].contiguous().view(torch.int8).float() * scale).flatten()
    least = blocks[:, 2:4].contiguous().view(torch.float16).float()
    halves = blocks[:, 4:]
    levels = torch.cat([halves & 15, halves >> 4], dim=1).float()
    return torch.addcmul(least, levels, scale).flatten()
