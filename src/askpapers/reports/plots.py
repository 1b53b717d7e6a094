"""Plots as inline SVG: intervals, risk against coverage, reliability. No script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from askpapers.metrics.calibration import CoveragePoint, ReliabilityBin
from askpapers.metrics.statistics import Estimate

_WIDTH, _HEIGHT = 360, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 42


def draw_interval(estimate: Estimate, threshold: float | None = None) -> str:
    """A share on a line from 0 to 1: its interval as a bar, its value as a dot.

    Args:
        estimate: Of a share.
        threshold: Marked by a tick, where the suite has one.

    Returns:
        An SVG of 180 by 18 pixels; empty for an estimate without a value.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    x, low, high = (6 + 168 * share for share in (estimate.value, estimate.low, estimate.high))
    label = f"{estimate.value:.3f}, 95% interval {estimate.low:.3f} to {estimate.high:.3f}"
    tick = ""
    if threshold is not None and 0 <= threshold <= 1:
        at = 6 + 168 * threshold
        tick = f'<line class="goal" x1="{at:.1f}" x2="{at:.1f}" y1="1" y2="17"/>'
    return (
        f'<svg class="interval" viewBox="0 0 180 18" width="180" height="18" role="img" '
        f'aria-label="{escape(label)}"><line class="track" x1="6" x2="174" y1="9" y2="9"/>{tick}'
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="9" y2="9"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="9" r="4"/></svg>'
    )


def draw_difference(estimate: Estimate, scale: float) -> str:
    """A paired difference around zero: its interval as a bar, its value as a dot.

    Args:
        estimate: The difference.
        scale: The value at both ends of the line.

    Returns:
        An SVG of 180 by 18 pixels; empty for an estimate without a value.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or scale <= 0:
        return ""
    x, low, high = (
        90 + 84 * max(-1.0, min(1.0, value / scale))
        for value in (estimate.value, estimate.low, estimate.high)
    )
    label = f"{estimate.value:+.3f}, 95% interval {estimate.low:+.3f} to {estimate.high:+.3f}"
    return (
        f'<svg class="interval" viewBox="0 0 180 18" width="180" height="18" role="img" '
        f'aria-label="{escape(label)}"><line class="track" x1="6" x2="174" y1="9" y2="9"/>'
        f'<line class="goal" x1="90" x2="90" y1="1" y2="17"/>'
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="9" y2="9"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="9" r="4"/></svg>'
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _frame(title: str, across: str, up: str, body: str) -> str:
    """Axes from 0 to 1 with labels around what is drawn."""
    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">'
    ]
    for step in range(0, 5):
        share = step / 4
        parts.append(
            f'<line class="grid" x1="{_x(0):.1f}" x2="{_x(1):.1f}" '
            f'y1="{_y(share):.1f}" y2="{_y(share):.1f}"/>'
            f'<text class="tick" x="{_x(0) - 6:.1f}" y="{_y(share) + 4:.1f}" '
            f'text-anchor="end">{share:g}</text>'
            f'<text class="tick" x="{_x(share):.1f}" y="{_y(0) + 16:.1f}" '
            f'text-anchor="middle">{share:g}</text>'
        )
    middle = (_y(0) + _y(1)) / 2
    parts.append(
        f'<text class="axis" x="{(_x(0) + _x(1)) / 2:.1f}" y="{_HEIGHT - 6}" '
        f'text-anchor="middle">{escape(across)}</text>'
        f'<text class="axis" transform="translate(12 {middle:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(up)}</text>'
    )
    return "".join([*parts, body, "</svg>"])


def draw_risk_coverage(points: Sequence[CoveragePoint]) -> str:
    """Share of wrong answers against the share of questions answered, most confident first."""
    if not points:
        return ""
    path = " ".join(f"{_x(one.coverage):.1f},{_y(one.risk):.1f}" for one in points)
    last = points[-1]
    body = (
        f'<polyline class="curve" points="{path}"/>'
        f'<circle class="dot" cx="{_x(last.coverage):.1f}" cy="{_y(last.risk):.1f}" r="4">'
        f"<title>as run: coverage {last.coverage:.2f}, risk {last.risk:.2f}</title></circle>"
    )
    return _frame("Risk against coverage", "share of questions answered", "share wrong", body)


def draw_reliability(bins: Sequence[ReliabilityBin]) -> str:
    """What came true against what was said; the area of a dot grows with its cases."""
    if not bins:
        return ""
    most = max(one.count for one in bins)
    dots = "".join(
        f'<circle class="dot" cx="{_x(one.confidence):.1f}" cy="{_y(one.accuracy):.1f}" '
        f'r="{3 + 7 * (one.count / most) ** 0.5:.1f}">'
        f"<title>{one.count} cases: said {one.confidence:.2f}, true {one.accuracy:.2f}</title>"
        "</circle>"
        for one in bins
    )
    path = " ".join(f"{_x(one.confidence):.1f},{_y(one.accuracy):.1f}" for one in bins)
    body = (
        f'<line class="ideal" x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" '
        f'y2="{_y(1):.1f}"/><polyline class="curve thin" points="{path}"/>{dots}'
    )
    return _frame("Reliability", "stated probability", "share that came true", body)
