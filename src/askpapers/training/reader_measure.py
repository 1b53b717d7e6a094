"""Measures the reader by itself: `python -m askpapers.training.reader_measure`.

Readings are made once and kept as JSON; figures come from them. The test split is for reporting
once.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askpapers.encoders.mean_bert import MeanBert
from askpapers.encoders.reader import Reader, Reading, TorchReader
from askpapers.evidence import Policy, ReadPaper, choose_evidence, log_odds
from askpapers.metrics.classification import auroc
from askpapers.metrics.statistics import estimate_mean, estimate_statistic
from askpapers.training.reader import MAX_TOKENS_NEAR, find_neighbours, installed_base
from askpapers.training.reader_data import Question, join_splits, load_abstractqa, load_scifact
from askpapers.training.written import Abstract

SHOWN = 8
"""Papers read for a question: as many as an answer is chosen from."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its readings.

    `kind` is abstractqa's or "claim". `own` is the reading of its own abstract, `removed` that of
    its own abstract without the evidence. `papers` are the nearest by a plain search.
    """

    key: str
    question: str
    kind: str
    paper: str
    evidence: tuple[int, ...]
    own: Reading
    removed: Reading | None
    papers: tuple[ReadPaper, ...]


def gather(
    reader: Reader,
    data: Path,
    split: str,
    base: Path,
    report: Callable[[str], None],
    answerable: int | None = None,
) -> list[Row]:
    """Read every question of the split, and the held-out claims.

    With `answerable`, only so many of the answerable questions, drawn by a fixed seed.
    """
    papers, questions = load_abstractqa(data / "abstractqa")
    pool = join_splits(papers)
    stated = [question for question in questions[split] if question.evidence]
    if answerable is not None:
        stated = random.Random(answerable).sample(stated, answerable)
    others = [question for question in questions[split] if not question.evidence]
    asked = [*stated, *others]
    near = find_neighbours(
        MeanBert(base, max_tokens=MAX_TOKENS_NEAR),
        list(pool.values()),
        asked,
        count=SHOWN,
        keep_own=True,
    )
    claim_papers, claims = load_scifact(
        data / "faithfulness/scifact/pairs_train.jsonl.xz", held_out=True
    )
    rows: list[Row] = []
    for number, question in enumerate(asked):
        own, removed = _read_own(reader, question, pool[question.paper])
        shown = near[question.key][:SHOWN]
        readings = reader.read(question.text, [(pool[k].title, pool[k].sentences) for k in shown])
        read = tuple(ReadPaper(key, reading) for key, reading in zip(shown, readings, strict=True))
        asked_for = (question.key, question.text, question.kind, question.paper, question.evidence)
        rows.append(Row(*asked_for, own, removed, read))
        if number % 50 == 0:
            report(f"{number + 1} of {len(asked)} questions read")
    for claim in claims:
        own, _ = _read_own(reader, claim, claim_papers[claim.paper])
        asked_for = (claim.key, claim.text, "claim", claim.paper, claim.evidence)
        rows.append(Row(*asked_for, own, None, ()))
    return rows


def _read_own(
    reader: Reader, question: Question, paper: Abstract
) -> tuple[Reading, Reading | None]:
    gone = set(question.evidence)
    shown = [(paper.title, paper.sentences)]
    if gone and len(paper.sentences) - len(gone) >= 2:
        shown.append(
            (paper.title, tuple(s for i, s in enumerate(paper.sentences) if i not in gone))
        )
    readings = reader.read(question.text, shown)
    return readings[0], readings[1] if len(readings) > 1 else None


def summarise(rows: Sequence[Row], policy: Policy) -> dict[str, Any]:
    """Return every published figure with its interval."""
    figures: dict[str, Any] = {}
    judged = [r for r in rows if r.evidence and r.kind != "claim"]
    picks = {"all": judged} | {
        k: [r for r in judged if r.kind == k] for k in {r.kind for r in judged}
    }
    picks["claim"] = [r for r in rows if r.kind == "claim" and r.evidence]
    for name, group in picks.items():
        figures[f"own abstract, evidence first: {name}"] = _mean(
            [float(np.argmax(r.own.sentences)) in r.evidence for r in group],
            [r.paper for r in group],
        )
    figures["own abstract, answerable against near miss: auroc"] = _auroc(
        [(True, r.own.answerable, r.paper) for r in judged]
        + [(False, r.own.answerable, r.paper) for r in rows if r.kind == "unanswerable"]
    )
    figures["own abstract, answerable against evidence removed: auroc"] = _auroc(
        [(True, r.own.answerable, r.paper) for r in judged if r.removed]
        + [(False, r.removed.answerable, r.paper) for r in judged if r.removed]
    )
    found = [r for r in judged if any(p.paper_id == r.paper for p in r.papers)]
    figures["pool, own paper shown"] = _mean(
        [r in found for r in judged], [r.paper for r in judged]
    )
    for name, group in (("all", judged), ("paraphrase", picks.get("paraphrase", []))):
        leads = [
            max(r.papers, key=lambda p: p.reading.relevance).paper_id == r.paper for r in group
        ]
        figures[f"pool, own paper most relevant: {name}"] = _mean(leads, [r.paper for r in group])
    for depth in (1, 3):
        hits = []
        for row in judged:
            chosen = choose_evidence(row.papers, policy)[:depth]
            hits.append(any(c.paper_id == row.paper and c.sentence in row.evidence for c in chosen))
        figures[f"pool, evidence in the first {depth}"] = _mean(hits, [r.paper for r in judged])
    return figures


def _mean(values: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any]:
    return estimate_mean([float(v) for v in values], clusters=list(clusters)).rounded()


def _auroc(cases: Sequence[tuple[bool, float, str]]) -> dict[str, Any]:
    truth, scores = np.array([c[0] for c in cases]), np.array([c[1] for c in cases])

    def statistic(places: NDArray[np.intp]) -> float | None:
        return auroc(truth[places].tolist(), scores[places].tolist())

    found = estimate_statistic(len(cases), statistic, clusters=[c[2] for c in cases], resamples=500)
    return found.rounded()


def save_rows(rows: Sequence[Row], path: Path) -> None:
    """Write readings as JSON Lines."""

    def plain(reading: Reading | None) -> list[Any] | None:
        if reading is None:
            return None
        return [log_odds(reading.relevance), log_odds(reading.answerable), reading.sentences]

    with path.open("w", encoding="utf-8") as file:
        for r in rows:
            papers = [[p.paper_id, plain(p.reading)] for p in r.papers]
            asked = [r.key, r.question, r.kind, r.paper, r.evidence]
            line = [*asked, plain(r.own), plain(r.removed), papers]
            file.write(json.dumps(line) + "\n")


def load_rows(path: Path) -> list[Row]:
    """Read what `save_rows` wrote."""

    def whole(saved: list[Any]) -> Reading:
        relevance, answerable = (1 / (1 + np.exp(-v)) for v in saved[:2])
        return Reading(float(relevance), float(answerable), tuple(saved[2]))

    rows = []
    for line in path.read_text("utf-8").splitlines():
        key, text, kind, paper, evidence, own, removed, papers = json.loads(line)
        read = tuple(ReadPaper(k, whole(s)) for k, s in papers)
        asked = (key, text, kind, paper, tuple(evidence))
        rows.append(Row(*asked, whole(own), whole(removed) if removed else None, read))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one split. Prints JSON."""
    parser = argparse.ArgumentParser(prog="askpapers.training.reader_measure", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="the reader's .safetensors")
    parser.add_argument(
        "--readings", type=Path, required=True, help="JSON Lines, made when missing"
    )
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument(
        "--answerable", type=int, help="answerable questions read, drawn at random; default: all"
    )
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(chosen.threads)
    base = installed_base()
    if not chosen.readings.is_file():
        reader = TorchReader(base, chosen.weights)
        made = gather(
            reader,
            chosen.data,
            chosen.split,
            base,
            lambda text: print(text, file=sys.stderr),
            chosen.answerable,
        )
        save_rows(made, chosen.readings)
    rows = load_rows(chosen.readings)
    print(json.dumps(summarise(rows, Policy()), indent=1))


if __name__ == "__main__":
    main()
