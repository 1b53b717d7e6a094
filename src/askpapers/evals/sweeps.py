"""Matrix runs: `retrieval.k=3,5,8` as the settings of every run of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from askpapers.errors import UsageError


def parse_sweep(texts: Sequence[str]) -> tuple[dict[str, str], ...]:
    """All combinations, the last setting changing fastest.

    Args:
        texts: One `setting=value,value` each.

    Returns:
        One mapping of setting to value for every run; a single empty one without texts.

    Raises:
        UsageError: a text has no setting or no value, or a setting is named twice.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        chosen = [value.strip() for value in values.split(",") if value.strip()]
        if not name.strip() or not chosen or name.strip() in axes:
            raise UsageError(
                f"The sweep {text!r} is not one setting with its values.",
                hint="--sweep retrieval.k=3,5,8",
            )
        axes[name.strip()] = chosen
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
