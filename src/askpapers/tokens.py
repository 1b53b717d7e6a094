"""Exact token counts: a `tiktoken.Encoding` made from a GGUF model's own vocabulary.

tiktoken's named encodings belong to other models and are downloaded on first use; this one
gives the very tokens that llama.cpp gives, without loading the model. Reading the vocabulary
takes seconds, so it is kept under the home folder, keyed by the digest of the model file.
"""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from askpapers.errors import ModelDamaged

if TYPE_CHECKING:
    import tiktoken

_PATTERNS = {
    # llama.cpp, src/llama-vocab.cpp: digits one by one, then GPT-2's words
    "smollm": r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
}
_CONTROL_TYPES = (3, 4)  # gguf.TokenType.CONTROL, USER_DEFINED: matched as a whole
_FORMAT = "askpapers vocabulary 1"


def load_encoding(gguf: Path, *, digest: str, cache: Path) -> tiktoken.Encoding | None:
    """Return the encoding of a GGUF file, or None for a kind of tokenizer that isn't known here.

    Control tokens are special tokens of the encoding: `encode(text, allowed_special="all")`
    reads them as llama.cpp does with `special=True`, `encode_ordinary` with `special=False`.

    Args:
        gguf: the model file.
        digest: its sha256, which keys the cache.
        cache: folder for the vocabulary, made when missing.

    Raises:
        ModelDamaged: the file is not a whole GGUF file.
    """
    path = cache / f"{digest[:32]}.vocabulary"
    vocabulary = _load_cached(path)
    if vocabulary is None:
        vocabulary = _read_vocabulary(gguf)
        _save(path, vocabulary)
    pre, ranks, special = vocabulary
    if pre not in _PATTERNS:
        return None
    import tiktoken

    return tiktoken.Encoding(
        name=f"gguf-{digest[:12]}",
        pat_str=_PATTERNS[pre],
        mergeable_ranks=ranks,
        special_tokens=special,
    )


_Vocabulary = tuple[str, dict[bytes, int], dict[str, int]]


def _read_vocabulary(gguf: Path) -> _Vocabulary:
    """Read (pre-tokenizer, token bytes to id, control token to id) from a GGUF file."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(gguf)
        fields = {
            name: reader.fields[f"tokenizer.ggml.{name}"].contents()
            for name in ("model", "tokens", "token_type")
        }
        pre_field = reader.fields.get("tokenizer.ggml.pre")
        pre = str(pre_field.contents()) if pre_field else ""
    except (ValueError, KeyError, IndexError, OSError) as exc:
        raise ModelDamaged(
            f"The model file {str(gguf)!r} is damaged or cut short: {exc}.",
            hint="askpapers models list",
        ) from exc
    if fields["model"] != "gpt2" or pre not in _PATTERNS:
        return "", {}, {}
    byte_of = {character: byte for byte, character in enumerate(_byte_alphabet())}
    ranks: dict[bytes, int] = {}
    special: dict[str, int] = {}
    for number, (token, kind) in enumerate(
        zip(fields["tokens"], fields["token_type"], strict=True)
    ):
        if kind in _CONTROL_TYPES:
            special[token] = number
        else:
            ranks[bytes(byte_of[character] for character in token)] = number
    # tiktoken needs a rank for every byte; this vocabulary lacks some that hardly occur (0xf1,
    # control characters). They get numbers behind the vocabulary, so that they are counted.
    absent = [bytes([byte]) for byte in range(256) if bytes([byte]) not in ranks]
    ranks.update({byte: len(fields["tokens"]) + n for n, byte in enumerate(absent)})
    return pre, ranks, special


def _byte_alphabet() -> list[str]:
    """Return the character that GPT-2's vocabularies write for each byte.

    Printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on
    (Radford et al. 2019, encoder.py).
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _save(path: Path, vocabulary: _Vocabulary) -> None:
    """Write a vocabulary whole or not at all; a cache that can't be written is no failure."""
    pre, ranks, special = vocabulary
    lines = [_FORMAT, pre]
    lines += [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]
    lines += [
        f"!{base64.b64encode(token.encode()).decode()} {rank}" for token, rank in special.items()
    ]
    body = "\n".join(lines)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(f"{body}\n{_checksum(body)}\n", encoding="ascii")
        part.replace(path)
    except OSError:
        with suppress(OSError):  # a read-only folder refuses even this
            part.unlink()


def _load_cached(path: Path) -> _Vocabulary | None:
    """Return the vocabulary in a cache file, or None when there is none that is whole."""
    try:
        body, _, checksum = path.read_text(encoding="ascii").rstrip("\n").rpartition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if checksum != _checksum(body):
        return None
    head, pre, *lines = body.split("\n")
    if head != _FORMAT:
        return None
    ranks: dict[bytes, int] = {}
    special: dict[str, int] = {}
    for line in lines:
        token, _, rank = line.partition(" ")
        if token.startswith("!"):
            special[base64.b64decode(token[1:]).decode()] = int(rank)
        else:
            ranks[base64.b64decode(token)] = int(rank)
    return pre, ranks, special


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode("ascii")).hexdigest()
