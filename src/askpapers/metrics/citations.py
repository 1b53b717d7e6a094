"""Citations: do they entail what they are cited for, is each needed, does each exist.

Citation recall and precision are those of ALCE: Gao, Yen, Yu and Chen, "Enabling Large Language
Models to Generate Text with Citations" (EMNLP 2023), section 4.2, with the judge as an argument
instead of a fixed NLI model, and without ALCE's cap of three citations a sentence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Entails = Callable[[str, Sequence[str]], bool]
"""(claim, premises) -> whether the premises, read together, entail the claim."""


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence of an answer and the text behind each of its citations.

    Attributes:
        text: The sentence, without its marks.
        premises: Cited number -> the cited text. A citation without verifiable text maps to "".
    """

    text: str
    premises: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class CitationCounts:
    """What the two shares are made of.

    Attributes:
        sentences: Sentences in the answer.
        recalled: Sentences that their citations together entail.
        citations: Citations in the answer.
        precise: Citations that are needed in a recalled sentence.
    """

    sentences: int
    recalled: int
    citations: int
    precise: int

    @property
    def recall(self) -> float | None:
        """Share of recalled sentences; `None` for an answer without sentences."""
        return self.recalled / self.sentences if self.sentences else None

    @property
    def precision(self) -> float | None:
        """Share of precise citations; 0 for an answer that cites nothing, as in ALCE's code."""
        if not self.sentences:
            return None
        return self.precise / self.citations if self.citations else 0.0


def count_citations(sentences: Sequence[CitedSentence], entails: Entails) -> CitationCounts:
    """ALCE's counts for one answer.

    A sentence is recalled when it has a citation and its citations together entail it. A citation
    of a recalled sentence is precise unless it does not entail the sentence alone while the others
    do without it. No citation of a sentence that is not recalled is precise.
    """
    recalled = citations = precise = 0
    for sentence in sentences:
        premises = sentence.premises
        citations += len(premises)
        texts = [text for text in premises.values() if text]
        if not texts or not entails(sentence.text, texts):
            continue
        recalled += 1
        for number, text in premises.items():
            others = [other for n, other in premises.items() if n != number and other]
            alone = bool(text) and entails(sentence.text, [text])
            if alone or not others or not entails(sentence.text, others):
                precise += 1
    return CitationCounts(len(sentences), recalled, citations, precise)


_MARK = re.compile(r"\[\s*(\d+(?:\s*[,;]\s*\d+)*)\s*\]")


def find_marks(text: str) -> tuple[int, ...]:
    """The numbers of all `[n]` and `[n, m]` marks in a text, in order, repeats kept."""
    return tuple(
        int(number) for mark in _MARK.finditer(text) for number in re.findall(r"\d+", mark[1])
    )


def count_invalid_citations(cited: Sequence[int], source_numbers: Sequence[int]) -> int:
    """Citations of numbers that no source carries."""
    known = set(source_numbers)
    return sum(number not in known for number in cited)


def _collapse(text: str) -> str:
    return " ".join(text.split())


def is_verbatim(quote: str, abstract: str | None, start: int, end: int) -> bool:
    """Whether a quote is exactly the characters `start` to `end` of the abstract."""
    return abstract is not None and bool(quote) and abstract[start:end] == quote


def is_quotation_of(sentence: str, abstracts: Sequence[str]) -> bool:
    """Whether a sentence stands word for word in one of the abstracts.

    Runs of white space count as one space; nothing else is forgiven.
    """
    wanted = _collapse(sentence)
    return bool(wanted) and any(wanted in _collapse(abstract) for abstract in abstracts)
