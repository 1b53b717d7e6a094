"""The model's part of an answer: the prompt it is shown, and the drafts that it writes."""

from __future__ import annotations

import re
import time
from collections.abc import Generator as Pieces
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from askpapers.citations import (
    Draft,
    build_grammar,
    escape_brackets,
    find_figures,
    name_speaker,
    read_drafts,
)
from askpapers.compression import find_compressions
from askpapers.domain import Dropped, Evidence, Paper
from askpapers.errors import UsageError
from askpapers.forerunners import points_back
from askpapers.generation import Generator, Message, Sampling
from askpapers.injections import find_fault
from askpapers.prompts import Prompt, escape_control_tokens
from askpapers.sentences import find_gap, quote_sentences
from askpapers.support import SupportJudge
from askpapers.support.wording import find_names

_RETRY_TEMPERATURE = 0.6
_SECOND = re.compile(r"\(?(?:second(?:ly)?|ii|2|b)\b|on the other hand\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Writer:
    """A generator with the judge of what it writes, its prompts and the policy of its manifest.

    `whole_abstracts`: the prompt shows whole abstracts instead of chosen sentences.
    `compressed`: it chooses what to leave out of the evidence (`write_compressions`) instead of
    wording sentences of its own (`write_drafts`).
    `retries`: further attempts while the best evidence is not shown.
    `manifest_digest`: names the manifest that all this comes from.
    """

    generator: Generator
    judge: SupportJudge
    system: Prompt
    prompt: Prompt
    sampling: Sampling
    max_sentences: int
    whole_abstracts: bool = False
    compressed: bool = False
    retries: int = 1
    manifest_digest: str = ""


@dataclass(slots=True)
class Meter:
    """Counts one answer's tokens and times its first one, from when the meter was made."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token: float | None = None
    _started: float = field(default_factory=time.perf_counter)

    def count_piece(self) -> None:
        """Count one token that was written."""
        if self.first_token is None:
            self.first_token = time.perf_counter() - self._started
        self.completion_tokens += 1


@dataclass(frozen=True, slots=True)
class Brief:
    """What the model is shown: the rendered prompt and the sentences in it.

    `papers` maps the prompt's own numbers (1, 2, … in the order shown) to paper ids; `figures`
    are the only ones that may be written.
    """

    prompt: str
    shown: tuple[Evidence, ...]
    papers: Mapping[int, str]
    figures: frozenset[str]
    dropped: tuple[Dropped, ...]

    def ids_of(self, draft: Draft) -> set[str]:
        """Return the papers that a draft cites."""
        return {self.papers[n] for n in draft.numbers if n in self.papers}


@dataclass(frozen=True, slots=True)
class Compression:
    """A written sentence that leaves parts of one sentence of an abstract out.

    `whole` is the same in the third person with nothing left out.
    """

    text: str
    whole: str
    evidence: Evidence


def prepare_brief(
    question: str,
    evidence: Sequence[Evidence],
    papers: Mapping[str, Paper],
    writer: Writer,
    meter: Meter,
) -> Brief:
    """Render the prompt; while it does not fit, the weakest sentence is dropped whole.

    Args:
        question: stands alone.
        evidence: best first, at least one.
        papers: by id, all that `evidence` names.
        writer: the model.
        meter: its `prompt_tokens` become those of the largest prompt.

    Raises:
        UsageError: the question does not fit even with one sentence.
    """
    units = list(evidence)
    dropped: list[Dropped] = []
    room = writer.generator.context_tokens - writer.sampling.max_tokens
    while True:
        prompt = _render(question, units, papers, writer)
        tokens = writer.generator.count_tokens(prompt)
        if tokens <= room:
            break
        if len(units) == 1:
            raise UsageError(
                f"The question and one source take {tokens} tokens; "
                f"{room} fit the model {writer.generator.name!r}.",
                hint="ask a shorter question, or --quote-only",
            )
        dropped.append(Dropped(units.pop().paper_id, "no room in the prompt"))
    meter.prompt_tokens = max(meter.prompt_tokens, tokens)
    ids = list(dict.fromkeys(e.paper_id for e in units))
    if writer.whole_abstracts:
        units = [e for paper_id in ids for e in _all_sentences(papers[paper_id], units)]
    figures = find_figures([*(e.quote for e in units), *(papers[i].title for i in ids)])
    return Brief(prompt, tuple(units), dict(enumerate(ids, 1)), figures, tuple(dropped))


def write_drafts(
    brief: Brief, writer: Writer, meter: Meter, *, remaining: int, attempt: int
) -> Pieces[str | Draft, None, None]:
    """Yield the growing text, and each complete sentence as a draft.

    Args:
        brief: what the model is shown.
        writer: the model.
        meter: counts what is written.
        remaining: sentences that may still come, at least 1.
        attempt: up to 1 draws as the settings say; each further attempt draws other words.
    """
    sampling = writer.sampling
    if attempt > 1:
        warmer = max(sampling.temperature, _RETRY_TEMPERATURE)
        sampling = replace(sampling, temperature=warmer, seed=sampling.seed + attempt)
    grammar = build_grammar(list(brief.papers), max_sentences=remaining, figures=brief.figures)
    text, complete = "", 0
    for piece in writer.generator.write(brief.prompt, grammar=grammar, sampling=sampling):
        meter.count_piece()
        text += piece
        drafts = read_drafts(text)
        if len(drafts) > complete:
            yield from drafts[complete:]
            complete = len(drafts)
        else:
            yield text


def write_compressions(
    question: str,
    evidence: Sequence[Evidence],
    brief: Brief,
    papers: Mapping[str, Paper],
    writer: Writer,
    meter: Meter,
    *,
    unnamed: str | None = None,
) -> Pieces[str | Compression, None, None]:
    """Yield the growing text, and each sentence with the evidence it was made from.

    What is said is decided before; the model decides how much of it. (Asked to choose the
    sentence too, by likelihood, it took a right one for 24 of 60 questions, the reader for 48.)

    Args:
        question: stands alone; nothing that it asks about is left out.
        evidence: what to say, in this order; what the model is not shown is passed over.
        brief: what the model is shown.
        papers: by id.
        writer: the model.
        meter: counts what is written.
        unnamed: the paper that may speak first without being named, if any.
    """
    number_of = {paper_id: n for n, paper_id in brief.papers.items()}
    written = ""
    before: Evidence | None = None
    said = [e for e in evidence if e in brief.shown]
    for place, e in enumerate(said):
        paper = papers[e.paper_id]
        found = find_compressions(
            _clean(e.quote, writer),
            question=question,
            title=paper.title,
            follows=(before is not None and find_gap(before, e, paper) == "")
            or _is_counted_on(said[place + 1 : place + 2]),
            later=_needed_by(said[place + 1 :]),
        )
        # "The method" of one paper must not be taken for that of another.
        speaker = before.paper_id if before is not None else unnamed
        opening = name_speaker(_clean(paper.title, writer)) if e.paper_id != speaker else ""
        marks = f" [{number_of[e.paper_id]}]."
        begun = f"{written} " if written else ""
        before = e
        text = ""
        offers = [opening + wording + marks for wording in found.wordings()]
        for piece in writer.generator.choose(
            brief.prompt + begun, offers, sampling=writer.sampling
        ):
            meter.count_piece()
            text += piece
            yield begun + text
        written = begun + text
        yield Compression(read_drafts(text)[0].text, read_drafts(offers[0])[0].text, e)


def _is_counted_on(later: Sequence[Evidence]) -> bool:
    """Tell whether what is said next is a "second" or "other", so that a "first" must stay."""
    return any(_SECOND.match(e.quote) for e in later)


def _needed_by(later: Sequence[Evidence]) -> str:
    """Return the words that must be told before them: their names; all, where one points back."""
    names = [name for e in later for name in find_names(e.quote)]
    return " ".join([e.quote for e in later[:1] if points_back(e.quote)] + names)


def _render(
    question: str, units: Sequence[Evidence], papers: Mapping[str, Paper], writer: Writer
) -> str:
    """One numbered block a paper, its sentences in abstract order; the question's text is tamed."""
    blocks = []
    for n, paper_id in enumerate(dict.fromkeys(e.paper_id for e in units), 1):
        paper = papers[paper_id]
        own = sorted((e for e in units if e.paper_id == paper_id), key=lambda e: e.start)
        if writer.whole_abstracts:
            own = _all_sentences(paper, units)
        body = " ".join(e.quote for e in own)
        blocks.append(f"[{n}] {_clean(paper.title, writer)}: {_clean(body, writer)}")
    values = {"question": _clean(question, writer), "sources": "\n".join(blocks)}
    if "max_sentences" in writer.prompt.variables:
        values["max_sentences"] = str(writer.max_sentences)
    return writer.generator.render(
        [Message("system", writer.system.render()), Message("user", writer.prompt.render(**values))]
    )


def _clean(text: str, writer: Writer) -> str:
    """Make a text safe to stand in the prompt: one line, no marks, no control tokens."""
    return escape_control_tokens(escape_brackets(text), writer.generator.control_tokens)


def _all_sentences(paper: Paper, chosen: Sequence[Evidence]) -> list[Evidence]:
    """Every sentence of a paper's abstract that may be evidence; chosen ones keep their score."""
    scores = {(e.paper_id, e.start): e.score for e in chosen}
    return [
        replace(s, score=scores.get((s.paper_id, s.start), s.score))
        for s in quote_sentences(paper, 0.0)
        if find_fault(s.quote) is None
    ]
