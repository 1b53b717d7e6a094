"""Whether a written sentence stands, and on which sentences of the abstracts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from askpapers.citations import Draft, find_figures
from askpapers.compression import is_fixed
from askpapers.domain import Citation, Evidence, Paper, Sentence
from askpapers.encoders.reader import Reader
from askpapers.evidence import log_odds
from askpapers.support import Judgement, SupportJudge
from askpapers.support.wording import find_names, normalise_name
from askpapers.writing import Compression

_STRAY_LOG_ODDS = 2.0
_SAYS_LESS_LOG_ODDS = 1.5
_STUTTER_WORDS = 5
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"\b\w*[A-Z]\w*[A-Z]\w*\b")
_ASKS_FOR_FIGURE = re.compile(
    r"\bhow (?:many|much|long|fast|large|big|often|accurate|good|well|far)\b"
    r"|\b(?:what|which) (?:\w+ )?(?:percentage|percent|accuracy|rates?|scores?|fraction|number|size"
    r"|speed-?ups?|cost|factor|share)\b"
    r"|\b(?:error rates?|accuracy|percent|number of|speed-?up|bleu|f1|hours)\b",
    re.IGNORECASE,
)


def verify_draft(
    draft: Draft,
    *,
    cited_ids: set[str],
    shown: Sequence[Evidence],
    papers: Mapping[str, Paper],
    numbers: Mapping[str, int],
    judge: SupportJudge,
) -> Sentence | None:
    """Return the sentence with the shown sentences that support it, or None.

    What the model cited is tried sentence by sentence, then together; a sentence that only
    another shown paper supports is credited to that paper.

    Args:
        draft: what the model wrote.
        cited_ids: the papers it cited.
        shown: every sentence the model was shown.
        papers: by id; the title says what "we" and "the method" of an abstract are, so it is
            read along with each sentence.
        numbers: source numbers by paper id.
        judge: decides.
    """
    if _stutters(draft.text):
        return None
    cited = [e for e in shown if e.paper_id in cited_ids]
    groups: list[tuple[Evidence, ...]] = [(e,) for e in cited]
    if len(cited) > 1:
        groups.append(tuple(cited))
    groups += [(e,) for e in shown if e.paper_id not in cited_ids]
    texts = [
        [*(e.quote for e in group), *dict.fromkeys(papers[e.paper_id].title for e in group)]
        for group in groups
    ]
    judged = judge.judge([(draft.text, sources) for sources in texts])
    passed = [
        (judgement, group)
        for judgement, group, sources in zip(judged, groups, texts, strict=True)
        if _passes(judgement) and _names_stand(draft.text, sources)
    ]
    if not passed:
        return None

    def worth(item: tuple[Judgement, tuple[Evidence, ...]]) -> tuple[bool, bool, float]:
        judgement, group = item
        return group[0].paper_id in cited_ids, len(group) == 1, judgement.support

    judgement, group = max(passed, key=worth)
    return _make_written(draft.text, judgement, group, numbers)


def prove(
    written: Compression, paper: Paper, *, numbers: Mapping[str, int], judge: SupportJudge
) -> Sentence | None:
    """Return the sentence with the one it was made from as its proof, or None.

    One of which nothing was left out is a quotation, and so is one that may not be changed (of
    its square brackets the model sees round ones) unless it stands whole behind the name of its
    paper. Of another, nothing that it may say is new (`compression`); the judge is asked all the
    same, so that every written sentence carries a verdict, and a rule that errs is seen.
    """
    e = written.evidence
    if written.text == e.quote or (is_fixed(e.quote) and e.quote not in written.text):
        return make_quotation(e, numbers)
    (judgement,) = judge.judge([(written.text, [e.quote, paper.title])])
    if not _passes(judgement):
        return None
    return _make_written(written.text, judgement, (e,), numbers)


def strays(question: str, sentence: Sentence, best: Evidence) -> bool:
    """Tell whether a supported sentence is beside the question.

    It is when its evidence is far weaker than the best, or when a figure is asked for, the best
    evidence holds figures, and the sentence repeats none of them.
    """
    strongest = max(c.evidence.score for c in sentence.evidence)
    if strongest < best.score - _STRAY_LOG_ODDS:
        return True
    figures = find_figures([best.quote])
    return bool(
        figures
        and _ASKS_FOR_FIGURE.search(question)
        and not figures & find_figures([sentence.text])
    )


def says_less(question: str, sentence: Sentence, paper: Paper, reader: Reader) -> bool:
    """Tell whether a supported sentence answers the question worse than the one it stands on.

    A small model leaves out what was asked ("on TPU") and keeps what stands beside it. It does
    when a name of the question stands in the source and not in the sentence, or when the reader
    says so, shown the paper with the written sentence alone and with the verbatim one alone.
    """
    quote = sentence.evidence[0].evidence.quote
    if len(sentence.evidence) > 1 or quote == sentence.text:
        return False
    asked, held, kept = (
        {normalise_name(name) for name in find_names(text)}
        for text in (question, quote, f"{paper.title}. {sentence.text}")
    )
    if asked & held - kept:
        return True
    written, verbatim = reader.read(
        question, [(paper.title, (sentence.text,)), (paper.title, (quote,))]
    )
    return log_odds(written.answerable) < log_odds(verbatim.answerable) - _SAYS_LESS_LOG_ODDS


def make_quotation(evidence: Evidence, numbers: Mapping[str, int]) -> Sentence:
    """Return a verbatim sentence, which is its own proof."""
    n = numbers[evidence.paper_id]
    return Sentence(
        text=evidence.quote,
        origin="quoted",
        citations=(n,),
        verdict="supported",
        support=1.0,
        evidence=(Citation(n, evidence),),
    )


def _make_written(
    text: str, judgement: Judgement, group: Sequence[Evidence], numbers: Mapping[str, int]
) -> Sentence:
    """Return a written sentence with the judged evidence as its proof."""
    citations = tuple(Citation(numbers[e.paper_id], e) for e in group)
    return Sentence(
        text=text,
        origin="written",
        citations=tuple(dict.fromkeys(c.n for c in citations)),
        verdict=judgement.verdict,
        support=judgement.support,
        evidence=citations,
    )


def _stutters(text: str) -> bool:
    """Tell whether a run of five words comes twice: no reference answer of 91 does that."""
    words = text.lower().split()
    runs = [tuple(words[i : i + _STUTTER_WORDS]) for i in range(len(words) - _STUTTER_WORDS + 1)]
    return len(set(runs)) < len(runs)


def _names_stand(text: str, sources: Sequence[str]) -> bool:
    """Tell whether every name with two capitals ("FFJORD", "ResNet") stands so in a source.

    A small model drops letters of rare names, and a name that is nearly right is wrong.
    """
    known = {word.lower().rstrip("s") for source in sources for word in _WORD.findall(source)}
    return {name.lower().rstrip("s") for name in _NAME.findall(text)} <= known


def _passes(judgement: Judgement) -> bool:
    return judgement.verdict == "supported" and not judgement.findings
