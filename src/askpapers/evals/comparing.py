"""Two runs of the same cases: paired differences with intervals, and the cases that flipped."""

from __future__ import annotations

from dataclasses import dataclass

from askpapers.errors import MismatchError
from askpapers.evals.records import CaseResult
from askpapers.evals.runs import Run
from askpapers.evals.summary import Summary, list_rows, summarise
from askpapers.metrics.registry import METRICS
from askpapers.metrics.statistics import Estimate, estimate_difference


@dataclass(frozen=True, slots=True)
class Change:
    """A measure in both runs.

    Attributes:
        metric: Its name.
        first: In the first run.
        second: In the second run.
        difference: Second minus first, paired over the rows that both judged; `None` for measures
            that are not means of rows.
    """

    metric: str
    first: Estimate | None
    second: Estimate | None
    difference: Estimate | None

    @property
    def is_certain(self) -> bool:
        """Whether the interval of the difference leaves zero out."""
        gap = self.difference
        if gap is None or gap.low is None or gap.high is None:
            return False
        return gap.low > 0 or gap.high < 0

    @property
    def is_better(self) -> bool | None:
        """Whether the second run is better; `None` without a difference."""
        gap = self.difference
        if gap is None or not gap.value:
            return None
        return (gap.value > 0) == (METRICS[self.metric].better == "higher")


@dataclass(frozen=True, slots=True)
class Flip:
    """A case whose verdict changed."""

    first: CaseResult
    second: CaseResult

    @property
    def is_better(self) -> bool:
        """Whether it passes now."""
        return self.second.verdict == "pass"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side; `shared` cases are in both."""

    first: Run
    second: Run
    first_summary: Summary
    second_summary: Summary
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]
    same_output: int
    shared: int
    settings: tuple[tuple[str, str, str], ...]


def _check_comparable(first: Run, second: Run) -> None:
    for what, one, other in (
        ("suite", first.header.suite.name, second.header.suite.name),
        ("suite version", first.header.suite.version, second.header.suite.version),
        ("suite digest", first.header.suite.digest[:12], second.header.suite.digest[:12]),
        ("judge", first.header.judge, second.header.judge),
    ):
        if one != other:
            raise MismatchError(
                f"The runs differ in their {what}: {one!r} and {other!r}.",
                hint="askpapers eval compare --force, when that is meant",
            )


def _flatten(value: object, prefix: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        flat: dict[str, str] = {}
        for key, one in value.items():
            flat |= _flatten(one, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: str(value)}


def _changed_settings(first: Run, second: Run) -> tuple[tuple[str, str, str], ...]:
    one, other = _flatten(first.header.manifest), _flatten(second.header.manifest)
    return tuple(
        (name, one.get(name, "-"), other.get(name, "-"))
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    )


def _pair(first: Run, second: Run, name: str) -> Estimate | None:
    scored = {
        (case, row.turn): row.scores[name]
        for case, row in list_rows(first.cases)
        if name in row.scores
    }
    pairs = [
        (case, scored[case, row.turn], row.scores[name])
        for case, row in list_rows(second.cases)
        if name in row.scores and (case, row.turn) in scored
    ]
    if not pairs:
        return None
    return estimate_difference(
        [pair[1] for pair in pairs],
        [pair[2] for pair in pairs],
        clusters=[pair[0] for pair in pairs],
        seed=first.header.seed,
    )


def _outputs(case: CaseResult) -> list[object]:
    return [
        (row.output.answer, row.output.search, row.output.error, row.verdict) for row in case.rows
    ]


def compare(first: Run, second: Run, *, force: bool = False) -> Comparison:
    """Two runs of one suite.

    Args:
        first: What was.
        second: What is.
        force: Compare runs of different suite versions or judges all the same.

    Raises:
        MismatchError: the runs are of different suites, versions or judges.
    """
    if not force:
        _check_comparable(first, second)
    one, other = summarise(first), summarise(second)
    changes = tuple(
        Change(
            metric=name,
            first=one.metrics.get(name),
            second=other.metrics.get(name),
            difference=_pair(first, second, name) if metric.pooling != "pooled" else None,
        )
        for name, metric in METRICS.items()
        if name in one.metrics or name in other.metrics
    )
    before = {case.case_id: case for case in first.cases}
    shared = [(before[case.case_id], case) for case in second.cases if case.case_id in before]
    flips = [Flip(old, new) for old, new in shared if old.verdict != new.verdict]
    return Comparison(
        first=first,
        second=second,
        first_summary=one,
        second_summary=other,
        changes=changes,
        flips=tuple(sorted(flips, key=lambda flip: (flip.is_better, flip.second.case_id))),
        same_output=sum(_outputs(old) == _outputs(new) for old, new in shared),
        shared=len(shared),
        settings=_changed_settings(first, second),
    )
