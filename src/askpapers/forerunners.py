"""The sentence before one that only points back: what "it", "this" or "such" stands for.

Taken out of its abstract, "It thus reduces the cost" says nothing, or worse, speaks of whatever
stands before it in the answer. The abstract's own sentence before it says what is meant (dangling
anaphors in extracts: Mani, "Automatic Summarization", 2001).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from askpapers.compression import drop_opener, is_fixed
from askpapers.domain import Evidence, Paper
from askpapers.injections import find_fault
from askpapers.sentences import quote_sentences

_PAPER = (
    r"(?! (?:(?:position |survey )?paper|work|article|study|survey|report|thesis|note|tutorial"
    r"|review|manuscript|chapter)\b)"
)
"""The paper itself is known by its number."""
_WAY = r"(?:way|manner|fashion|degree|extent)"
"""Behind "such a", it is said what it is like: "in such a way that"."""
_POINTS_BACK = re.compile(
    r"(?:(?:and|but|so|yet|thus|hence) )?"
    r"(?:(?:it|its|they|their|he|she|his|her|there(?=,)|the (?:former|latter)|(?:in )?both(?=,)"
    r"|both of (?:them|these)|(?:the \w+ of )?which)\b"
    r"|(?:at|for|in|like|to|under|unlike|with|(?:based )?on) that\b"
    r"(?! (?:of|in|for|which|the|we)\b)"
    rf"|(?:[^\s,;:]+ ){{0,5}}(?:this|these|those|such)\b(?! as\b| an? {_WAY}\b){_PAPER}"
    r"|(?:while |although |whereas )?the (?:first|second|third|last|other) ones?\b"
    r"|(?:the first|one) (?:is|are|was|concerns|uses)\b|(?:among|of|between) (?:them|these)\b"
    r"|(?:an?|one|another|the) (?:\w+ ){0,2}(?:drawback|limitation|advantage|disadvantage|benefit"
    r"|downside|shortcoming|weakness) (?:is|was|lies)\b"
    r"|(?:one|another) (?:\w+ )?(?:strategy|approach|solution|way|method|reason|option|remedy)"
    r" (?:is|was)\b"
    r"|the (?:result|outcome|difference|reason|consequence) is\b"
    r"|the (?:proof|argument|derivation)\b(?! (?:of|that|for|behind)\b)"
    r"|the (?:connection|link|relation(?:ship)?|equivalence|correspondence|analogy)\b"
    r"(?! (?:of|between|to|with|from)\b)"
    r"|as an? (?:specific|special|particular) case\b(?! of\b)"
    r"|in other words\b|put differently\b|(?:and|or|then) "
    r"|(?:[^\s,;:]+ ){1,5}[^\s,;:]+, s?he\b"
    # An "it" or "its" with nothing before it that it could stand for.
    r"|(?:by|through|via|in addition to|besides|rather than) \w+ing\b[^,]+, (?:it|they)\b"
    r"|(?:(?:just|only|even) )?(?:with|using|in|on|at|after|under|without|via) [^,]+, "
    r"(?P<then>it|they)\b"
    r"|(?:to|by|for|in|with|from|on|after|before|when|while) (?:\w+ )?(?:it|its|them|their)\b"
    r"|(?:\w+ ){0,2}(?:results|experiments|simulations|evaluations?|analys[ei]s|studies|we)"
    r" (?:(?:\w+ly|also|then|further) )?\w+ (?:(?:that|how|why|whether) )?"
    r"(?P<it>it|its|they|them|their)\b)",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?:to (?:this|that) end|to do (?:so|this)|with this in mind)\b", re.IGNORECASE)
"""Openers that say nothing without the sentence before; where they can, they are left out."""
_GOES_ON = re.compile(
    r"(?:(?:for|as an) (?:example|instance)|second(?:ly)?|third(?:ly)?)\b", re.IGNORECASE
)
"""What an example or a further item points to stands before the first one."""
_EMPTY_IT = re.compile(
    r"it (?:is|was|has been|remains|becomes|can be|turns out|seems|appears)(?: \w+){0,2}?"
    r" (?:known|shown|unclear|possible|impossible|important|difficult|hard|common|crucial"
    r"|necessary|challenging|essential|natural|desirable|believed|assumed|observed|argued|that)\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    rf"\b(?:(?:this|these|such)\b(?! (?:as|that|an?)\b)|those(?! (?:\w+ed|of|in|from|with|by|who"
    rf"|whose|that|which|on|for|at|to|we|using|and|or|than|are|is)\b)){_PAPER}"
    r" (?P<thing>\w+(?:[ -]\w+)?)",
    re.IGNORECASE,
)
_BRINGS_IN = re.compile(
    r"\b(?:we|authors|paper|work|article|study|also|and|that)"
    r" (?:(?:then|also|first|further|finally|\w+ly) )?"
    r"(?:propos|introduc|present|develop|design|describ|defin|formulat|construct|provid|giv|deriv"
    r"|devis|prov|stud|consider)",
    re.IGNORECASE,
)
_POSES = re.compile(
    r"\b(?:(?:formulat|defin|stud|consider|introduc|investigat)\w*|pos(?:e|es|ed|ing))\b",
    re.IGNORECASE,
)
_TURNS = re.compile(r"[,;:]| (?:and|that|which|where) ")
"""Between what is posed and what is said of it: "we study sorting and solve this problem"."""
_POSED = re.compile(r"\b(?:problems?|settings?|tasks?)\b", re.IGNORECASE)
_BROUGHT = re.compile(
    r"\b(?:methods?|approach(?:es)?|algorithms?|models?|frameworks?|procedures?|techniques?|operators?"
    r"|systems?|networks?|architectures?|strateg(?:y|ies)|loss(?:es)?"
    r"|bounds?|results?|estimators?|representations?|ideas?|measures?|metrics?|objectives?|modules?"
    r"|ways?|data ?sets?|benchmarks?|tools?|process|scheme|structure)\b",
    re.IGNORECASE,
)
"""What a sentence brings in itself, one of these words behind it may stand for."""
_MATTERS = (
    r"(?:approaches|methods|techniques|tasks|tools|cases|settings|scenarios|models|networks|nets"
    r"|algorithms|systems|problems|challenges|issues|questions|limitations|data ?sets|metrics"
    r"|measures|losses|objectives|strategies|variants|types|kinds|aspects|components|modules"
    r"|stages|steps|forms|directions|factors|effects|domains|properties|processes|observations"
    r"|phenomena|findings|areas|fields|worlds|sides|biases|assumptions|conditions|mechanisms|terms|groups)"
)
_COUNTED = re.compile(
    rf"\b(?:both (?:[\w-]+ ){{0,2}}?(?P<both>{_MATTERS})"
    r"|(?:the|its|their) (?:two|three|four|five|six) (?:[\w-]+ ){0,2}?(?P<counted>\w+s))\b"
    r"(?! (?:of|in|for|that|and|or)\b)",
    re.IGNORECASE,
)
_ABOVE = re.compile(r"\bthe (?:above|aforementioned|foregoing) ([\w-]+)", re.IGNORECASE)
_TROUBLE = re.compile(
    r"\bthe (?:above|aforementioned|foregoing)\b|\bthe \w+ above\b"
    r"|\bthe (?:second|third|latter|former) (?:problem|issue|challenge|question|limitation|task"
    r"|case|setting)\b(?! (?:of|in|is|that)\b)"
    r"|\b(?:previous|prior) (?:limitations|drawbacks|shortcomings|difficulties)\b"
    r"|\banswer(?:s|ing)? the question\b(?! (?:of|whether|how|why|what|when|where|in|posed)\b)"
    r"|\b(?:analys[ie]s|solutions?|versions?|variants?|hardness|complexity|structure|formulations?|study"
    r"|understanding|aspects?) of the (?:problem|task|setting)\b"
    r"(?! (?:of|in|with|that|to|where|posed|caused)\b)"
    r"|\bthe (?:approach|method|model|algorithm|scheme|procedure|technique)"
    r" (?:suggested|used|taken|proposed|described|considered|adopted)\b(?! (?:in|by|for|to|here)\b)"
    # Bounds that match what the sentence doesn't tell.
    r"|^(?:(?!\b(?:bound|rate|guarantee)).)*\bmatching (?:(?:upper|lower) )?bounds?\b"
    r"|\bthe original ones?\b|\bin the (?:affirmative|negative)\b"
    r"|\bin (?:each|either|all) (?:scenarios?|cases?|settings?)\b(?! (?:of|in|where|that|with)\b)"
    r"|\b(?:address|solv|tackl|overc|mitigat|alleviat|clos|fill|remed)\w* the (?:challenges"
    r"|problems?|issues?|limitations?|drawbacks?|shortcomings|difficulties|gap)\b"
    r"(?! (?:of|in|with|for|that|posed|caused|when|where|from|to|between)\b)"
    r"|\bas (?:an? |the )?(?:remed(?:y|ies)|countermeasures?)\b(?! (?:to|for|of|against)\b)",
    re.IGNORECASE,
)
_ALIKE = re.compile(
    r"\b(?:similar|analogous|the same) \W*[\w-]+\W*(?: [\w-]+){0,2}\W*$", re.IGNORECASE
)
_CAME_ABOUT = re.compile(
    r"(?:[\w,-]+ ){0,7}?(?:the|our) (?:resulting|considered|obtained|constructed|above"
    r"|corresponding|associated|said) (?P<thing>[\w-]+)",
    re.IGNORECASE,
)
_SPEAKS_OF_LAST = re.compile(
    rf"\bsuch an? (?!(?:{_WAY}|large|small|high|low|long|short)\b)[\w-]+"
    r"(?: (?!as\b|that\b)[\w-]+){0,2}\b(?! (?:as|that)\b)"
    r"|(?<=[\w,:;] )(?:similarly \w+ed\b|in contrast,|the latter\b|counterparts?\b(?! (?:of|to)\b))"
    r"|(?<=\w )instead\b(?! of\b)|^[^,;:]*\b(?:can|could|may|is|are) then\b"
    r"|\b(?:doing so|using (?:it|them))\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"\b(?:they|them|their|its)\b", re.IGNORECASE)
_SHORT = 3
_STEM = 5
"""So many first letters make two words one for this purpose."""
_MOST = 5


def points_back(sentence: str) -> bool:
    """Tell whether a sentence needs the one before it, for something that it only points to.

    That is so where it opens with a word that stands for something said before, and where it
    has one later ("this procedure") for what the sentence itself neither names nor brings in.
    """
    text = sentence.lstrip()
    if is_fixed(text) and _ENDS.match(text):
        return True
    text = drop_opener(text)
    opens = _POINTS_BACK.match(text)
    # An "it" that is to come ("We show that it is possible to ...") stands for nothing.
    if opens and not _EMPTY_IT.match(text, max(0, opens.start("it"), opens.start("then"))):
        return True
    if any(p.search(text) for p in (_COUNTED, _TROUBLE, _ALIKE, _SPEAKS_OF_LAST)):
        return True
    came = _CAME_ABOUT.match(text)
    if came and _is_unknown(text[: came.start("thing")], came["thing"]):
        return True
    return any(_is_unknown(text[: m.start()], m["thing"]) for m in _LATER.finditer(text))


def _is_unknown(before: str, thing: str) -> bool:
    """Tell whether a thing is neither named in the text before it nor brought in by it."""
    if _BRINGS_IN.search(before) and _BROUGHT.search(thing):
        return False
    if _POSED.search(thing) and any(
        _TURNS.search(before, m.end()) for m in _POSES.finditer(before)
    ):
        return False
    words = (word.lower() for word in re.split(r"\W+", thing))
    return not any(word[:_STEM] in before.lower() for word in words if len(word) >= _STEM)


def find_forerunners(
    evidence: Evidence, paper: Paper, *, is_alone: bool = False
) -> tuple[Evidence, ...]:
    """Return the sentences before one that points back, in order, with the same score.

    Where the one before points back too, so does the search, up to five sentences. None where
    it doesn't point back, opens the abstract, or follows a sentence that may not be evidence.
    One that stands alone, behind another paper's, points back by any "they" or "their" already.
    """
    if not points_back(evidence.quote) and not (is_alone and _OF_OTHERS.search(evidence.quote)):
        return ()
    sentences = quote_sentences(paper, evidence.score)
    before = [s for s in sentences if s.end <= evidence.start][-_MOST:]
    found: list[Evidence] = []
    for sentence in reversed(before):
        if find_fault(sentence.quote) is not None:
            break
        found.append(sentence)
        if not (points_back(sentence.quote) or _GOES_ON.match(sentence.quote)):
            break
    for thing in _find_things(evidence.quote):
        # What is spoken of further back ("these points") was brought in there.
        if not any(thing.search(sentence.quote) for sentence in found):
            further = (s for s in reversed(before) if s not in found and thing.search(s.quote))
            source = next(further, None)
            if source is not None and find_fault(source.quote) is None:
                found += [source, *find_forerunners(source, paper)]
    return tuple(sorted(dict.fromkeys(found), key=lambda sentence: sentence.start))


def find_between(told: Sequence[Evidence], paper: Paper) -> tuple[Evidence, ...]:
    """Return the sentences of a paper that stand alone between two that are told, in order.

    Each has the score of the one before it. With them the text goes on as its authors wrote it,
    and of 394 development questions 3 in 100 more show every marked sentence, for a quarter of a
    sentence more an answer.
    """
    sentences = quote_sentences(paper, 0.0)
    source = {place: t for place, s in enumerate(sentences) for t in told if s.overlaps(t)}
    return tuple(
        replace(s, score=source[place - 1].score)
        for place, s in enumerate(sentences)
        if place not in source
        and {place - 1, place + 1} <= set(source)
        and find_fault(s.quote) is None
    )


def _find_things(quote: str) -> list[re.Pattern[str]]:
    """Return a pattern for the first word of each thing that a sentence points back to."""
    text = drop_opener(quote.lstrip())
    things = [
        re.split(r"\W+", m["thing"])[0]
        for m in _LATER.finditer(text)
        if _is_unknown(text[: m.start()], m["thing"])
    ]
    things += [m["both"] or m["counted"] for m in _COUNTED.finditer(text)]
    things += _ABOVE.findall(text)
    words = (thing.lower() for thing in things)
    return [
        re.compile(rf"\b{re.escape(word.removesuffix('s'))}s?\b", re.IGNORECASE)
        for word in words
        if len(word) > _SHORT
    ]
