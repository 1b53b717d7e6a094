"""Gates: thresholds that a run must reach with the near end of its interval, not with its mean.

A share must reach the threshold with its lower bound; a rate of faults must stay below it with its
upper bound. A measure that nothing was judged by fails, and so does a run with unscored cases
beyond the allowed share: a pipeline that breaks on hard cases must not pass by breaking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from askpapers.errors import GateFailed, UsageError
from askpapers.evals.runs import Run
from askpapers.evals.summary import Summary, summarise
from askpapers.metrics.registry import METRICS

UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Gate:
    """Thresholds by measure, and the share of cases that may go unscored."""

    thresholds: Mapping[str, float]
    max_unscored: float = 0.0


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One threshold that was not reached; `bound` is `None` where nothing was judged."""

    metric: str
    threshold: float
    bound: float | None

    def describe(self) -> str:
        """One clause for people."""
        if self.bound is None:
            return f"{self.metric} was judged on no case (threshold {self.threshold:g})"
        if METRICS[self.metric].better == "lower":
            return f"{self.metric} may be as high as {self.bound:.3f}, above {self.threshold:g}"
        return f"{self.metric} may be as low as {self.bound:.3f}, below {self.threshold:g}"


def parse_gate(text: str, suite_thresholds: Mapping[str, float] | None = None) -> Gate:
    """A gate from `faithfulness=0.95,abstention_f1=0.85[,unscored=0.02]`, or from the suite.

    Args:
        text: Thresholds, or the word "suite" for those of the suite.
        suite_thresholds: What "suite" stands for.

    Raises:
        UsageError: a part is not `name=number`, or the name is not a measure.
    """
    if text.strip() == "suite" and suite_thresholds:
        return Gate(dict(suite_thresholds))
    thresholds: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.partition("=")
        name = name.strip()
        if name != UNSCORED and name not in METRICS:
            raise UsageError(
                f"There is no measure called {name!r}.", hint=f"measures: {', '.join(METRICS)}"
            )
        try:
            thresholds[name] = float(number)
        except ValueError:
            raise UsageError(
                f"The threshold {part!r} is not of the form name=number.",
                hint="--fail-under faithfulness=0.95,abstention_f1=0.85",
            ) from None
    allowed = thresholds.pop(UNSCORED, 0.0)
    if not thresholds:
        raise UsageError(
            "The gate names no measure.", hint="--fail-under faithfulness=0.95,abstention_f1=0.85"
        )
    return Gate(thresholds, allowed)


def find_shortfalls(summary: Summary, gate: Gate) -> tuple[Shortfall, ...]:
    """The thresholds that a summary does not reach."""
    short = []
    for name, threshold in gate.thresholds.items():
        estimate = summary.metrics.get(name)
        lower = METRICS[name].better == "lower"
        bound = (estimate.high if lower else estimate.low) if estimate else None
        reached = bound is not None and (bound <= threshold if lower else bound >= threshold)
        if not reached:
            short.append(Shortfall(name, threshold, bound))
    return tuple(short)


def check_gate(run: Run, gate: Gate, summary: Summary | None = None) -> None:
    """Nothing when the run passes.

    Raises:
        GateFailed: it is incomplete, has too many unscored cases, or misses a threshold.
    """
    summary = summary or summarise(run)
    total = sum(summary.verdicts.values())
    problems = [one.describe() for one in find_shortfalls(summary, gate)]
    unscored = summary.verdicts["unscored"]
    if not total or unscored / total > gate.max_unscored:
        problems.append(f"{unscored} of {total} cases could not be scored")
    if not run.complete:
        problems.append(f"{len(run.missing)} cases were not run")
    if problems:
        raise GateFailed(
            f"The run of {run.header.suite.name!r} fails its gate: {'; '.join(problems)}.",
            hint=f"askpapers eval report {run.header.run_id}",
        )
