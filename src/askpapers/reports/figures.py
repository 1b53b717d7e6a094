"""How numbers are written in every report, and what is said when they rest on little."""

from __future__ import annotations

from askpapers.metrics.registry import METRICS, Metric
from askpapers.metrics.statistics import Estimate, rule_of_three

FEW = 30
"""Below this many independent cases an interval is more a guess than a measurement."""


def format_number(value: float | None, unit: str) -> str:
    """A value in its unit: shares with three decimals, times with two, tokens whole."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value:.3f}"
    if unit == "seconds":
        return f"{value:.2f} s"
    if unit == "tokens":
        return f"{value:.0f}"
    return f"{value:.2f}"


def format_interval(estimate: Estimate, unit: str) -> str:
    """The interval, or a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return "–"
    low, high = format_number(estimate.low, unit), format_number(estimate.high, unit)
    return f"{low} – {high}".replace(" s –", " –")


def format_difference(value: float | None, unit: str) -> str:
    """A difference with its sign."""
    if value is None:
        return "–"
    text = format_number(abs(value), unit)
    return ("+" if value >= 0 else "−") + text


def describe_limits(metric: Metric, estimate: Estimate) -> str:
    """What a reader has to know about a number before believing it; empty for most."""
    notes = []
    if estimate.is_degenerate and metric.unit == "share" and estimate.value in (0.0, 1.0):
        # A bootstrap of equal values has no width; the true rate still may differ.
        room = rule_of_three(estimate.clusters)
        if estimate.value == 1.0:
            notes.append(f"all alike; may truly be as low as {1 - room:.2f}")
        else:
            notes.append(f"all alike; may truly be as high as {room:.2f}")
    elif 0 < estimate.clusters < FEW:
        notes.append(f"only {estimate.clusters} cases")
    return "; ".join(notes)


def order_metrics(names: list[str], headline: tuple[str, ...]) -> list[str]:
    """The suite's own measures first, then the others in the order of the registry."""
    first = [name for name in headline if name in names]
    return first + [name for name in METRICS if name in names and name not in first]
