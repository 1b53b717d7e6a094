"""Makes the suite of corruptions over the seeds' abstracts.

`python -m askpapers.training.corruption_suite --cases evals/seeds-qa/cases.jsonl --out
evals/corruptions`. True claims are the hand-written reference answers of a suite with the
sentences marked as their evidence, and those sentences themselves; false claims are one change
away from a true one, or a true one against the evidence of another paper.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from askpapers.support.evidence_window import content_stems
from askpapers.support.wording import find_names
from askpapers.training.corruptions import (
    corrupt_direction,
    corrupt_entity,
    corrupt_negation,
    corrupt_number,
    corrupt_unit,
)

KINDS = ("number", "unit", "negation", "direction", "entity", "wrong-paper")


@dataclass(frozen=True, slots=True)
class Truth:
    """A true claim with the sentences that prove it."""

    case: str
    claim: str
    evidence: tuple[str, ...]
    titles: tuple[str, ...]


def read_truths(path: Path) -> list[Truth]:
    """Reference answers with marked evidence, then the evidence sentences as their own claims."""
    written, quoted = [], []
    for line in path.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line.strip() else {}
        evidence = tuple(mark["quote"] for mark in row.get("evidence", ()))
        if not evidence or not row.get("reference"):
            continue
        titles = tuple(mark.get("title", "") for mark in row["evidence"])
        written.append(Truth(row["id"], row["reference"], evidence, titles))
        quoted += [
            Truth(f"{row['id']}-quote", quote, (quote,), titles)
            for quote in evidence[:1]
            if 8 <= len(quote.split()) <= 50
        ]
    return [*written, *quoted]


def make_cases(truths: Sequence[Truth], *, per_kind: int, seed: int) -> list[dict[str, object]]:
    """True cases and `per_kind` false ones of every kind, as far as the sentences allow."""
    rng = random.Random(seed)
    everything = sorted(
        {
            name
            for truth in truths
            for name in find_names(" ".join((*truth.evidence, *truth.titles)))
            if re.search(r"[A-Z].*[A-Z0-9]", name)
        }
    )
    made: list[dict[str, object]] = []
    counts: dict[str, int] = defaultdict(int)
    used: set[str] = set()

    def add(truth: Truth, claim: str, evidence: Sequence[str], label: str, kind: str) -> None:
        counts[kind] += 1
        used.add(truth.case)
        made.append(
            {"id": f"co-{kind}-{counts[kind]:03}", "claim": claim, "evidence": list(evidence),
             "label": label, "kind": kind}
        )  # fmt: skip

    order = list(truths)
    rng.shuffle(order)
    # Written claims come first: they are the harder ones.
    order.sort(key=lambda truth: truth.case.endswith("-quote"))
    for kind in KINDS:
        for truth in order:
            if counts[kind] >= per_kind:
                break
            if kind == "wrong-paper":
                other = _nearest(truth, truths)
                add(truth, truth.claim, other.evidence, "unsupported", kind)
                continue
            changed = {
                "number": lambda t: corrupt_number(t, rng),
                "unit": lambda t: corrupt_unit(t, rng),
                "negation": lambda t: corrupt_negation(t, rng),
                "direction": lambda t: corrupt_direction(t, rng),
                "entity": lambda t: corrupt_entity(t, rng, everything),
            }[kind](truth.claim)
            if changed and changed != truth.claim:
                add(truth, changed, truth.evidence, "unsupported", kind)
    for truth in order:
        if truth.case in used and counts["true"] < 3 * per_kind:
            add(truth, truth.claim, truth.evidence, "supported", "true")
    return made


def _nearest(truth: Truth, truths: Sequence[Truth]) -> Truth:
    """The truth of another paper whose evidence shares most words with the claim."""
    stems = content_stems(truth.claim)
    return max(
        (other for other in truths if not set(other.titles) & set(truth.titles)),
        key=lambda other: len(stems & content_stems(" ".join(other.evidence))),
    )


def main() -> None:
    """Write `cases.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-kind", type=int, default=45)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    cases = make_cases(read_truths(options.cases), per_kind=options.per_kind, seed=options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    (options.out / "cases.jsonl").write_text(text, encoding="utf-8")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
