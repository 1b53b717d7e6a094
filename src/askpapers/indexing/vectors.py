"""A file of vectors under the digests of their texts: written once, then mapped.

It serves three ends: the exact cosines of a few papers without a search, the next build, which
embeds only texts that no file has, and a build that was killed, whose vectors are not lost.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_KEY = np.dtype([("key", "V16"), ("crc", "<u4")])


def digest_text(text: str) -> bytes:
    """Return 16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class VectorWriter:
    """Appends rows to `vectors.bin` and their keys to `vectors.keys`."""

    def __init__(self, folder: Path, *, dimension: int) -> None:
        self._dimension = dimension
        self._vectors = (folder / "vectors.bin").open("ab")
        self._keys = (folder / "vectors.keys").open("ab")

    def append(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Write rows; float32 (n, dimension), as many as keys. Vectors reach the disk first."""
        rows = np.ascontiguousarray(vectors, dtype="<f4")
        if rows.shape != (len(keys), self._dimension):
            raise ValueError(f"{len(keys)} keys and an array of shape {rows.shape}")
        heads = np.empty(len(keys), dtype=_KEY)
        for index, key in enumerate(keys):
            heads[index] = (key, zlib.crc32(rows[index].tobytes()))
        self._vectors.write(rows.tobytes())
        self._vectors.flush()
        self._keys.write(heads.tobytes())
        self._keys.flush()

    def close(self) -> None:
        """Close both files."""
        self._vectors.close()
        self._keys.close()


class VectorFile:
    """The rows of a folder's vector files, mapped; a torn end is left out."""

    def __init__(self, folder: Path, *, dimension: int) -> None:
        paths = folder / "vectors.bin", folder / "vectors.keys"
        sizes = [path.stat().st_size if path.is_file() else 0 for path in paths]
        self.count = min(sizes[0] // (4 * dimension), sizes[1] // _KEY.itemsize)
        shape = (self.count, dimension)
        self.rows: np.ndarray = (
            np.memmap(paths[0], dtype="<f4", mode="r", shape=shape)
            if self.count
            else np.empty(shape, dtype="<f4")
        )
        self._heads: np.ndarray = (
            np.memmap(paths[1], dtype=_KEY, mode="r", shape=(self.count,))
            if self.count
            else np.empty(0, dtype=_KEY)
        )

    def keys(self, rows: range | None = None) -> list[bytes]:
        """Return the key of every row, or of these, which follow one another."""
        heads = self._heads if rows is None else self._heads[rows.start : rows.stop]
        raw = np.ascontiguousarray(heads["key"]).tobytes()
        return [raw[i : i + 16] for i in range(0, len(raw), 16)]

    def is_whole(self, row: int) -> bool:
        """Tell whether a row is the one that was written."""
        return zlib.crc32(self.rows[row].tobytes()) == int(self._heads["crc"][row])


class VectorPool:
    """Vectors of earlier builds by text, for reuse."""

    def __init__(self, files: Iterable[VectorFile]) -> None:
        self._files = list(files)
        self._places: dict[bytes, tuple[int, int]] = {}
        for number, file in enumerate(self._files):
            for row, key in enumerate(file.keys()):
                self._places[key] = (number, row)

    def find(self, key: bytes) -> np.ndarray | None:
        """Return the vector of the text that `key` stands for, if there is a whole one."""
        place = self._places.get(key)
        if place is None:
            return None
        file = self._files[place[0]]
        return file.rows[place[1]] if file.is_whole(place[1]) else None
