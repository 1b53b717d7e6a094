"""What an answer says: is it supported, is it right, is it written, does it leak."""

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> unit vectors, float32 (n, d), in input order."""

_MARKS = re.compile(r"\s*\[\s*\d+(?:\s*[,;]\s*\d+)*\s*\]")
_CLAUSE = re.compile(r";\s+|,\s+(?=(?:but|while|whereas)\s)")
_MIN_CLAUSE_WORDS = 4


def remove_marks(text: str) -> str:
    """The text without its `[n]` marks."""
    return _MARKS.sub("", text).strip()


def split_claims(sentence: str) -> tuple[str, ...]:
    """The claims of one sentence: its parts at semicolons and at ", but|while|whereas".

    Only where every part has at least four words, so that no fragment is judged. RAGAS and
    RAGChecker let a large model take sentences apart; this is the part of it that is certain.
    """
    bare = remove_marks(sentence)
    parts = [part.strip() for part in _CLAUSE.split(bare)]
    if any(len(part.split()) < _MIN_CLAUSE_WORDS for part in parts):
        return (bare,)
    return tuple(parts)


def faithfulness(entailed: Sequence[bool]) -> float | None:
    """Share of an answer's claims that are entailed by what they cite.

    Source: RAGAS (Es et al., EACL 2024 demo), section 3, "faithfulness"; RAGChecker (Ru et al.,
    NeurIPS 2024), section 3.3, with the cited text in place of the whole context.
    """
    return sum(entailed) / len(entailed) if entailed else None


def strict_faithfulness(entailed: Sequence[bool]) -> float | None:
    """1 when every claim of the answer is entailed by what it cites, else 0."""
    return float(all(entailed)) if entailed else None


def similarity(embed: Embed, answer: str, reference: str) -> float | None:
    """Cosine of answer and reference, not below 0; `None` without a reference.

    Source: RAGAS, "answer semantic similarity".
    """
    if not reference.strip():
        return None
    if not answer.strip():
        return 0.0
    first, second = embed([remove_marks(answer), reference])
    return max(0.0, float(np.dot(first, second)))


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def find_forbidden(text: str, forbidden: Sequence[str]) -> tuple[str, ...]:
    """Those of the forbidden strings that the text holds, whatever their case and white space."""
    shown = _fold(text)
    return tuple(one for one in forbidden if _fold(one) and _fold(one) in shown)


def written_share(origins: Sequence[str]) -> float | None:
    """Share of the sentences that the language model wrote (the rest are quotations)."""
    return sum(origin == "written" for origin in origins) / len(origins) if origins else None


def tokens_per_second(
    completion_tokens: int, first_token_seconds: float | None, total_seconds: float
) -> float | None:
    """Speed of decoding after the first token; `None` where less than two were written."""
    if first_token_seconds is None or completion_tokens < 2:
        return None
    seconds = total_seconds - first_token_seconds
    return (completion_tokens - 1) / seconds if seconds > 0 else None
