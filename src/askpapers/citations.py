"""Citation marks: the grammar that lets a model write only valid ones, and the reader of them.

A written sentence has the form `text [n].` or `text [n][m].`: the marks stand before the final
period, so that one rule ends both. Text holds no brackets and no line breaks; a period inside it
is followed by something other than a space, or belongs to a listed abbreviation. So every
sentence that ends carries its marks, and no mark can name a source that was not shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from askpapers.domain import Sentence
from askpapers.errors import UsageError

_ABBREVIATIONS = ("et al. ", "e.g. ", "i.e. ", "vs. ", "cf. ", "w.r.t. ", "Fig. ", "Eq. ", "resp. ")
_OWN_NUMBERS = re.compile(r"\[(\d{1,9}(?:\s?[,;–-]\s?\d{1,9})*)\]")
_INTERVAL = re.compile(r"(?:\\in|∈|\bintervals?|\brange|\bbetween)\s*\$?$")
"""What stands before a closed interval; "[0, 1]" is none of an abstract's citations either."""
_MARKS = re.compile(r"(?P<marks>(?:\[[0-9]{1,9}\])+)\.(?=\s|$)")
_NO_TEXT = re.compile(r"[\[\]\n]")
_SPACES = re.compile(r"\s+")
_FIGURE = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_VERDICT = re.compile(r"^(?:Yes|No)[:,]\s+(?=\S)")
GAP = "… "
"""Stands before a sentence where its abstract says more between it and the one before it."""
_BRACKETS = str.maketrans({"[": "(", "]": ")"})


@dataclass(frozen=True, slots=True)
class Draft:
    """One written sentence with the numbers it cites, before anything was verified."""

    text: str
    numbers: tuple[int, ...]


def build_grammar(
    numbers: Sequence[int],
    *,
    max_sentences: int,
    figures: Iterable[str] | None = None,
) -> str:
    """Return a GBNF grammar for an answer of 1..`max_sentences` sentences over these sources.

    Whether to abstain is decided before a model is asked, so no grammar allows it.

    Args:
        numbers: the source numbers shown in the prompt, each at least 1.
        max_sentences: at least 1.
        figures: the only figures that may be written (`find_figures` of what was shown), so that
            a small model cannot make one up; None: any.

    Raises:
        UsageError: there is no source, or a number or count below 1.
    """
    if not numbers or min(numbers) < 1 or max_sentences < 1:
        raise UsageError(f"A grammar needs sources and sentences, not {list(numbers)!r}.")
    allowed = " | ".join(f'"{n}"' for n in sorted(set(numbers)))
    abbreviations = " | ".join(f'"{text}"' for text in _ABBREVIATIONS)
    more = f' (" " sentence){{0,{max_sentences - 1}}}' if max_sentences > 1 else ""
    rules = [f"root ::= sentence{more}", f'mark ::= "[" ({allowed}) "]"']
    if figures is None:
        rules += [
            'sentence ::= [A-Za-z0-9$("\'] piece+ " " mark{1,2} "."',
            f"piece ::= [^\\[\\]\\n\\r.!?] | [.!?] [^ \\[\\]\\n\\r] | {abbreviations}",
        ]
    else:
        known = sorted(set(figures))
        # A figure ends where something else than a digit follows, so none can be prolonged.
        figure = f"figure ::= {' | '.join(json.dumps(text) for text in known)}" if known else ""
        start = "([A-Za-z$(\"'] | figure plain)" if known else "[A-Za-z$(\"']"
        piece = "(figure? plain)+ figure?" if known else "plain+"
        rules += [
            f'sentence ::= {start} {piece} " " mark{{1,2}} "."',
            f"plain ::= [^0-9\\[\\]\\n\\r.!?] | [.!?] [^0-9 \\[\\]\\n\\r] | {abbreviations}",
            *([figure] if figure else []),
        ]
    return "\n".join(rules)


def find_figures(texts: Iterable[str]) -> frozenset[str]:
    """Return every run of digits of `texts`, with its decimals and separators, as written."""
    return frozenset(figure for text in texts for figure in _FIGURE.findall(text))


def read_drafts(text: str) -> list[Draft]:
    """Return the complete sentences of a model's output; an unfinished tail is left out.

    A number cited twice in a sentence counts once. A leading "Yes:" or "No:" is left out: small
    models get it wrong, and no sentence of an abstract can prove it.
    """
    drafts = []
    end = 0
    for match in _MARKS.finditer(text):
        # The sentence is what stands between the last mark or line break and these marks.
        before = _NO_TEXT.split(text[end : match.start()].rstrip())[-1].strip()
        end = match.end()
        body = capitalise(_VERDICT.sub("", before).strip())
        numbers = tuple(dict.fromkeys(int(n) for n in re.findall("[0-9]+", match["marks"])))
        if body:
            drafts.append(Draft(text=f"{body}.", numbers=numbers))
    return drafts


def capitalise(text: str) -> str:
    """Return a sentence with a capital first, unless its first word is a term ("pH", "k-means")."""
    if not text:
        return text
    first = text.split(" ", 1)[0].rstrip(",'’")
    stem, _, rest = first.partition("-")
    word = first == "a" or len(stem) > (2 if rest else 1)
    plain = word and (stem + rest.replace("-", "")).isalpha() and first.islower()
    return text[0].upper() + text[1:] if plain else text


def escape_brackets(text: str) -> str:
    """Make a text safe to stand in a prompt: one line, and nothing that looks like a mark."""
    return _SPACES.sub(" ", text).translate(_BRACKETS).strip()


def name_speaker(title: str) -> str:
    """Return what stands before what another paper says than the one before it: its name."""
    return f"“{title}”: "


def render_sentence(sentence: Sentence) -> str:
    """Return a sentence as it stands in the answer: `Text [1].` written, `“Text.” [1]` quoted.

    A bracketed number of the text's own would read as a mark, so it stands in parentheses.
    """
    opening, text = map(_unmark, (sentence.opening, sentence.text))
    marks = "".join(f"[{n}]" for n in sentence.citations)
    if sentence.origin == "quoted":
        return f"{opening}“{text}” {marks}"
    text = f"{opening}{text}"
    return f"{text.rstrip('.')} {marks}." if text.endswith(".") else f"{text} {marks}"


def _unmark(text: str) -> str:
    """Return a text with its own citations in parentheses; a closed interval stays one."""

    def replace(numbers: re.Match[str]) -> str:
        before = text[: numbers.start()]
        is_formula = before.count("$") % 2 == 1 or _INTERVAL.search(before) is not None
        is_pair = "," in numbers[1] or ";" in numbers[1]
        if is_pair and (is_formula or numbers[1].startswith("0")):
            return numbers[0]
        return f"({numbers[1]})"

    return _OWN_NUMBERS.sub(replace, text)
