"""Claims with evidence and a human's word on them: what judges are measured on.

A data folder may hold any of the known public sets (scifact, expertqa, wice, healthver, summedits,
under `faithfulness/` or directly), and any JSON Lines files of {"claim", "evidence", "label"} with
optional "kind" and "group". What is not there is named, not passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpapers.errors import NotFound, ResourceError
from askpapers.evals.suites import read_records

SUPPORTED = "supported"


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """One claim with its evidence and whether people say that the evidence supports it.

    Attributes:
        kind: Domain, grade of support or kind of corruption, as the set has it.
        cluster: Pairs that are not independent share one (the same document or claim).
    """

    claim: str
    evidence: tuple[str, ...]
    is_supported: bool
    kind: str
    cluster: str


class PairRecord(BaseModel):
    """One line of a file of labelled pairs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    claim: str = Field(min_length=1)
    evidence: tuple[str, ...]
    label: str
    kind: str = ""
    group: str = ""


def read_pairs(path: Path) -> tuple[LabelledPair, ...]:
    """Labelled pairs of a JSON Lines file; every label but "supported" counts as unsupported.

    Raises:
        ResourceError: the file or a line cannot be read.
    """
    made = []
    for number, value in read_records(path):
        try:
            record = PairRecord.model_validate(value)
        except ValidationError as exc:
            problem = exc.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ResourceError(f"{path}:{number}: {where}: {problem['msg']}.") from exc
        # Corruptions of one true sentence share its evidence, and are one cluster.
        group = record.group or "\n".join(record.evidence)
        made.append(
            LabelledPair(
                record.claim, record.evidence, record.label == SUPPORTED, record.kind, group
            )
        )
    return tuple(made)


def _load_public(data: Path) -> tuple[dict[str, tuple[LabelledPair, ...]], list[str]]:
    from askpapers.training import judge_data

    root = data if (data / "faithfulness").is_dir() else data.parent
    loaders = {
        "scifact": judge_data.load_scifact,
        "expertqa": judge_data.load_expertqa,
        "wice": judge_data.load_wice,
        "healthver": judge_data.load_healthver,
        "summedits": judge_data.load_summedits,
    }
    found: dict[str, tuple[LabelledPair, ...]] = {}
    missing = []
    for name, load in loaders.items():
        try:
            examples = load(root)
        except (OSError, KeyError, ValueError):
            missing.append(name)
            continue
        if not examples:
            missing.append(name)
            continue
        found[name] = tuple(
            LabelledPair(one.claim, one.evidence, one.label == SUPPORTED, one.kind, one.group)
            for one in examples
        )
    return found, missing


def load_judge_sets(data: Path) -> tuple[Mapping[str, Sequence[LabelledPair]], tuple[str, ...]]:
    """All labelled sets of a folder, and the names of the known sets that are not in it.

    Args:
        data: The folder itself, or the one that holds `faithfulness/`.

    Raises:
        NotFound: there is no set at all.
        ResourceError: a JSON Lines file is malformed.
    """
    found, missing = _load_public(data)
    for path in sorted(data.glob("*.jsonl")):
        found[path.stem] = read_pairs(path)
    if not found:
        raise NotFound(
            f"The folder {str(data)!r} holds no labelled set.",
            hint='put FILE.jsonl of {"claim", "evidence": [...], "label"} into it',
        )
    return found, tuple(missing)
