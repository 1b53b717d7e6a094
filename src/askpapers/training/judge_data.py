"""Examples for the judge: human-labelled sets, and texts to make supervision from.

Layout of the data folder: `abstractqa/`, `faithfulness/<set>/` and `ml_abstracts.jsonl.xz`, as the
model card names them. HealthVer is read for measuring only: it states no licence.
"""

from __future__ import annotations

import csv
import difflib
import json
import lzma
import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from askpapers.support.evidence_window import (
    WordWeights,
    as_sentences,
    count_words,
    select_window,
)
from askpapers.support.wording import split_sentences

Label = Literal["supported", "neither", "contradicted", "unsupported"]
"""`unsupported` is one of the two in the middle when it is not known which."""

HUMAN_SETS = ("scifact", "expertqa", "wice", "summedits", "healthver")
MEASURED_ONLY = frozenset({"healthver"})


@dataclass(frozen=True, slots=True)
class Example:
    """One claim with its evidence and what is known of it.

    `group` ties examples that must not be parted by a split (one document, one paper).
    `changed` holds the character ranges of the claim that make it false, when known; None when
    unknown. `proofs` are sets of units of the evidence of which each decides alone, when marked.
    """

    claim: str
    evidence: tuple[str, ...]
    label: Label
    source: str
    kind: str
    group: str
    changed: tuple[tuple[int, int], ...] | None = None
    proofs: tuple[tuple[int, ...], ...] = ()


def window(example: Example, weights: WordWeights) -> str:
    """The evidence of an example as the network reads it."""
    return " ".join(select_window(example.claim, as_sentences(example.evidence), weights))


def _read(path: Path) -> str:
    if path.suffix == ".xz":
        with lzma.open(path, "rt", encoding="utf-8") as handle:
            return handle.read()
    return path.read_text(encoding="utf-8")


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _read(path).split("\n") if line.strip()]


def load_scifact(data: Path) -> list[Example]:
    """SciFact claims against whole abstracts (Wadden et al., EMNLP 2020)."""
    labels: dict[str, Label] = {
        "SUPPORT": "supported",
        "NOT_ENOUGH_INFO": "neither",
        "CONTRADICT": "contradicted",
    }
    rows = _read_lines(data / "faithfulness/scifact/pairs_train.jsonl.xz")
    return [
        Example(
            row["claim"],
            (row["title"].rstrip(".") + ".", *row["sentences"]),
            labels[row["label"]],
            "scifact",
            row["label"].lower(),
            f"scifact-{row['doc_id']}",
            # The title stands first in the evidence.
            proofs=tuple(tuple(i + 1 for i in marked) for marked in row.get("rationales", ())),
        )
        for row in rows
    ]


def load_expertqa(data: Path) -> list[Example]:
    """Claims of real systems with the passage they cite (Malaviya et al., NAACL 2024)."""
    made = []
    for number, row in enumerate(_read_lines(data / "faithfulness/expertqa/rand_val.jsonl.xz")):
        for answer in row["answers"].values():
            for claim in answer["claims"]:
                passages = [
                    re.sub(r"^\[\d+\]\s*https?://\S+\s*", "", text).strip()
                    for text in claim["evidence"]
                ]
                passages = [text for text in passages if len(text.split()) > 5]
                if not passages or claim["support"] not in {"Complete", "Partial", "Incomplete"}:
                    continue
                text = re.sub(r"\s*\[\d+\]", "", claim["claim_string"]).replace("**", "").strip()
                good = claim["support"] == "Complete"
                made.append(
                    Example(
                        text,
                        tuple(passages),
                        "supported" if good else "unsupported",
                        "expertqa",
                        claim["support"].lower(),
                        f"expertqa-{number}",
                    )
                )
    return made


def load_wice(data: Path) -> list[Example]:
    """Wikipedia sentences against the pages they cite (Kamoi et al., EMNLP 2023)."""
    return [
        Example(
            row["claim"],
            tuple(row["evidence"]),
            "supported" if row["label"] == "supported" else "unsupported",
            "wice",
            row["label"],
            f"wice-{row['meta']['claim_title']}",
            proofs=tuple(tuple(marked) for marked in row["supporting_sentences"] if marked),
        )
        for row in _read_lines(data / "faithfulness/wice/claim_dev.jsonl.xz")
    ]


def load_summedits(data: Path) -> list[Example]:
    """Summaries with small edits (Laban et al., EMNLP 2023); the kind is the domain."""
    made = []
    for path in sorted((data / "faithfulness/summedits").glob("summedits_*.json.xz")):
        domain = path.name.removeprefix("summedits_").removesuffix(".json.xz")
        groups: dict[str, str] = {}
        for row in json.loads(_read(path)):
            group = groups.setdefault(row["doc"], f"summedits-{domain}-{len(groups)}")
            good = row["label"] == 1
            changed = () if good else find_changes(row["original_summary"], row["summary"])
            made.append(
                Example(
                    row["summary"],
                    tuple(split_sentences(row["doc"])),
                    "supported" if good else "unsupported",
                    "summedits",
                    domain,
                    group,
                    # An inconsistent summary may hold harmless edits too: only "nothing is
                    # changed" is certain.
                    changed if good else None,
                )
            )
    return made


def load_healthver(data: Path) -> list[Example]:
    """Claims on COVID-19 against abstract sentences (Sarrouti et al., 2021); measured only."""
    labels: dict[str, Label] = {
        "Supports": "supported",
        "Neutral": "neither",
        "Refutes": "contradicted",
    }
    rows = csv.DictReader(_read(data / "faithfulness/healthver/healthver_dev.csv").splitlines())
    return [
        Example(
            row["claim"],
            (row["evidence"],),
            labels[row["label"]],
            "healthver",
            row["label"].lower(),
            f"healthver-{row['claim']}",
        )
        for row in rows
    ]


def load_human(data: Path) -> dict[str, list[Example]]:
    """All human-labelled sets by name."""
    loaders: dict[str, Callable[[Path], list[Example]]] = {
        "scifact": load_scifact,
        "expertqa": load_expertqa,
        "wice": load_wice,
        "summedits": load_summedits,
        "healthver": load_healthver,
    }
    return {name: loaders[name](data) for name in HUMAN_SETS}


def find_changes(old: str, new: str) -> tuple[tuple[int, int], ...]:
    """Character ranges of `new` that are not in `old`; where words were dropped, the next word."""
    pattern = re.compile(r"\S+")
    before = pattern.findall(old)
    after = list(pattern.finditer(new))
    spans = []
    matcher = difflib.SequenceMatcher(None, before, [match[0] for match in after], autojunk=False)
    for tag, _, _, start, stop in matcher.get_opcodes():
        if tag == "equal" or not after:
            continue
        if start == stop:
            start, stop = min(start, len(after) - 1), min(start, len(after) - 1) + 1
        spans.append((after[start].start(), after[stop - 1].end()))
    return tuple(spans)


@dataclass(frozen=True, slots=True)
class Source:
    """A text to make examples from: its sentences, and true sentences about them.

    `truths` are (sentence, indexes of the sentences that prove it).
    """

    group: str
    title: str
    sentences: tuple[str, ...]
    truths: tuple[tuple[str, tuple[int, ...]], ...]
    written: bool


def load_abstractqa(data: Path, split: str) -> list[Source]:
    """Abstracts with hand-written answers as truths, of one split."""
    answers: dict[str, list[tuple[str, tuple[int, ...]]]] = defaultdict(list)
    for row in _read_lines(data / "abstractqa/questions.jsonl"):
        if row["split"] == split and row["answer"]:
            answers[row["paper"]].append((row["answer"], tuple(row["evidence"])))
    return [
        Source(row["paper"], row["title"], tuple(row["sentences"]), tuple(answers[row["paper"]]),
               written=True)
        for row in _read_lines(data / "abstractqa/papers.jsonl")
        if row["split"] == split and answers[row["paper"]]
    ]  # fmt: skip


def count_abstract_words(data: Path) -> str:
    """The table of word weights, counted over all abstracts of conference papers."""
    rows = _read_lines(data / "ml_abstracts.jsonl.xz")
    return count_words((f"{row['title']}. {row['abstract']}" for row in rows), size=22_000)


def load_abstracts(data: Path, *, count: int, rng: random.Random) -> list[Source]:
    """Abstracts of conference papers with their own sentences as truths.

    Papers whose title is in abstractqa are left out, whatever their split.
    """
    taken = {row["title"].lower() for row in _read_lines(data / "abstractqa/papers.jsonl")}
    rows = _read_lines(data / "ml_abstracts.jsonl.xz")
    rng.shuffle(rows)
    made: list[Source] = []
    for row in rows:
        sentences = tuple(split_sentences(row["abstract"]))
        if row["title"].lower() in taken or not 4 <= len(sentences) <= 16:
            continue
        truths = tuple(
            (sentence, (index,))
            for index, sentence in enumerate(sentences)
            if 8 <= len(sentence.split()) <= 60
        )
        if truths:
            made.append(Source(f"ml-{len(made)}", row["title"], sentences, truths, written=False))
        if len(made) == count:
            break
    return made


_INVERTED = re.compile(r"^(?:Do|Does|Did)\s+(.+)$")
_COPULA = re.compile(
    r"^(Is|Are|Was|Were|Can|Could|Should|Will)\s+(there\b|.+?)\s+((?:not\s)?(?:associated|related|"
    r"effective|necessary|useful|an?|the|safe|feasible|different|better|a|more|less|helpful|"
    r"important|linked|affected|influenced|predictive|beneficial|valid|reliable|justified|needed|"
    r"be|predict|improve|reduce|affect|help|increase|any|still|possible|independent|dependent|"
    r"correlated|superior|comparable|sufficient|appropriate|worthwhile|common|cost)\b.*)$"
)


def load_pubmedqa(data: Path) -> list[Source]:
    """Abstracts without their conclusion, which is the truth about them (Jin et al., 2019)."""
    rows = json.loads(_read(data / "faithfulness/pubmedqa/ori_pqal.json.xz"))
    return [
        Source(
            f"pubmed-{key}",
            row["QUESTION"],
            tuple(sentence for text in row["CONTEXTS"] for sentence in split_sentences(text)),
            ((row["LONG_ANSWER"], ()),),
            written=True,
        )
        for key, row in rows.items()
        if len(row["LONG_ANSWER"].split()) <= 90
    ]


def make_question_claims(data: Path) -> list[Example]:
    """PubMedQA's yes/no questions as statements against the abstract with its conclusion."""
    made = []
    rows = json.loads(_read(data / "faithfulness/pubmedqa/ori_pqal.json.xz"))
    for key, row in rows.items():
        question = row["QUESTION"].split(": ")[-1].rstrip("? ")
        inverted, copula = _INVERTED.match(question), _COPULA.match(question)
        if inverted:
            claim = inverted[1]
        elif copula:
            claim = f"{copula[2]} {copula[1].lower()} {copula[3]}"
        else:
            continue
        label: Label = {"yes": "supported", "no": "contradicted"}.get(
            row["final_decision"], "unsupported"
        )  # type: ignore[assignment]
        if len(claim.split()) < 5:
            continue
        claim = claim[0].upper() + claim[1:] + "."
        proof = (*row["CONTEXTS"], row["LONG_ANSWER"])
        made.append(Example(claim, proof, label, "pubmedqa", "question", f"pubmed-{key}"))
    return made
