"""Suites of cases: folders with a `suite.toml` and a file of cases, resolved against a corpus.

A case names its papers by title (or id) and its evidence by verbatim quotation. Both are resolved
when the suite is loaded, so a case that drifted from the corpus fails loudly there and is never
scored against something that does not exist.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from askpapers.corpus import load_papers
from askpapers.domain import Paper
from askpapers.errors import NotFound, ResourceError, UsageError
from askpapers.evals.cases import Case, CaseRecord, resolve_cases
from askpapers.metrics.registry import METRICS
from askpapers.resources import find_folder

SuiteKind = Literal["answers", "retrieval", "judge"]
SEEDS = "seeds"


class SuiteRecord(BaseModel):
    """The content of a `suite.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str
    purpose: str
    kind: SuiteKind
    corpus: tuple[str, ...] = (SEEDS,)
    corpus_digest: str = ""
    cases: str = "cases.jsonl"
    metrics: tuple[str, ...] = ()
    thresholds: dict[str, float] = Field(default_factory=dict)
    licence: str

    @model_validator(mode="after")
    def _names_known_metrics(self) -> SuiteRecord:
        unknown = [name for name in (*self.metrics, *self.thresholds) if name not in METRICS]
        if unknown:
            raise ValueError(f"unknown metrics {', '.join(map(repr, unknown))}")
        return self


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite whose cases are resolved against its corpus.

    Attributes:
        digest: Of everything that decides a score: the manifest, the cases and the corpus.
        corpus_paths: The files and folders that must be indexed before answering.
        needs_own_index: Whether that is anything but the seeds alone.
        papers: The corpus by paper id.
    """

    name: str
    version: str
    purpose: str
    kind: SuiteKind
    licence: str
    metrics: tuple[str, ...]
    thresholds: Mapping[str, float]
    cases: tuple[Case, ...]
    papers: Mapping[str, Paper]
    corpus_paths: tuple[Path, ...]
    corpus_digest: str
    digest: str
    needs_own_index: bool = False

    def select(self, *, limit: int | None = None, tag: str | None = None) -> tuple[Case, ...]:
        """The cases with the tag, the first `limit` of them.

        Raises:
            NotFound: no case has the tag.
        """
        chosen = [case for case in self.cases if tag is None or tag in case.tags]
        if not chosen:
            tags = sorted({one for case in self.cases for one in case.tags})
            raise NotFound(
                f"No case of the suite {self.name!r} has the tag {tag!r}.",
                hint=f"use one of: {', '.join(tags)}",
            )
        return tuple(chosen[:limit])


@dataclass(frozen=True, slots=True)
class SuiteSummary:
    """What `eval list` shows of a suite, without resolving its cases."""

    name: str
    version: str
    purpose: str
    kind: SuiteKind
    cases: int
    corpus: tuple[str, ...]
    licence: str
    folder: Path


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON of a value, as 64 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_corpus(papers: Iterable[Paper]) -> str:
    """sha256 over ids, titles and abstracts in order of id; the order of files does not matter."""
    rows = sorted((paper.paper_id, paper.title, paper.abstract) for paper in papers)
    return digest_of(rows)


def read_records(path: Path) -> Iterator[tuple[int, Any]]:
    """Numbered JSON values of a JSON Lines file, blank lines skipped.

    Raises:
        ResourceError: the file is missing or a line is not JSON.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ResourceError(f"The file {str(path)!r} cannot be read: {exc}.") from exc
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as exc:
                raise ResourceError(f"{path}:{number} is not JSON: {exc.msg}.") from exc


def _first_problem(exc: ValidationError) -> str:
    problem = exc.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    return f"{where}: {problem['msg']}" if where else problem["msg"]


def read_suite_record(folder: Path) -> SuiteRecord:
    """The `suite.toml` of a folder.

    Raises:
        ResourceError: it is missing or malformed.
    """
    path = folder / "suite.toml"
    try:
        record = SuiteRecord.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise ResourceError(f"The suite file {str(path)!r} cannot be read: {exc}.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ResourceError(f"The suite file {str(path)!r} is not TOML: {exc}.") from exc
    except ValidationError as exc:
        raise ResourceError(f"{path}: {_first_problem(exc)}.") from exc
    return record


def _read_cases(path: Path) -> list[CaseRecord]:
    records: dict[str, CaseRecord] = {}
    for number, value in read_records(path):
        try:
            record = CaseRecord.model_validate(value)
        except ValidationError as exc:
            raise ResourceError(f"{path}:{number}: {_first_problem(exc)}.") from exc
        if record.id in records:
            raise ResourceError(f"{path}:{number} repeats the case id {record.id!r}.")
        records[record.id] = record
    if not records:
        raise ResourceError(f"The file {str(path)!r} has no cases.")
    return list(records.values())


def _find_suite_folder(name: str | Path, folder: Path | None) -> Path:
    direct = Path(name)
    if (direct / "suite.toml").is_file():
        return direct
    home = find_folder("evals", folder)
    if (home / str(name) / "suite.toml").is_file():
        return home / str(name)
    known = ", ".join(summary.name for summary in list_suites(folder))
    raise NotFound(
        f"There is no suite called {str(name)!r} and no folder of that name with a suite.toml.",
        hint=f"askpapers eval list   (suites: {known})",
    )


def list_suites(folder: Path | None = None) -> tuple[SuiteSummary, ...]:
    """All suites of the evals folder, by name.

    Raises:
        ResourceError: a suite is malformed.
    """
    home = find_folder("evals", folder)
    made = []
    for path in sorted(home.glob("*/suite.toml")):
        record = read_suite_record(path.parent)
        made.append(
            SuiteSummary(
                name=record.name,
                version=record.version,
                purpose=record.purpose,
                kind=record.kind,
                cases=sum(1 for _ in read_records(path.parent / record.cases)),
                corpus=record.corpus,
                licence=record.licence,
                folder=path.parent,
            )
        )
    return tuple(made)


def load_suite(
    name: str | Path, *, papers: Sequence[Paper] | None = None, folder: Path | None = None
) -> Suite:
    """A suite by name, or by the path of its folder, resolved against its corpus.

    Args:
        name: A suite of the evals folder, or a folder with a `suite.toml`.
        papers: The corpus, when it is loaded already; without, the suite's own is read.
        folder: Where the suites are, in place of the evals folder.

    Raises:
        NotFound: there is no such suite.
        UsageError: it is one for judges.
        ResourceError: the suite is malformed, or its corpus is not the one it was written for.
    """
    home = _find_suite_folder(name, folder)
    record = read_suite_record(home)
    if record.kind == "judge":
        raise UsageError(
            f"The suite {record.name!r} measures the judge, not answers.",
            hint="askpapers eval judge",
        )
    paths = tuple(find_folder(SEEDS) if one == SEEDS else home / one for one in record.corpus)
    if papers is None:
        papers, _ = load_papers(paths)
    corpus_digest = digest_corpus(papers)
    if record.corpus_digest and record.corpus_digest != corpus_digest:
        raise ResourceError(
            f"The suite {record.name!r} was written for the corpus {record.corpus_digest[:12]}, "
            f"but this one is {corpus_digest[:12]}.",
            hint=f"check its cases, then set corpus_digest in {home / 'suite.toml'}",
        )
    records = _read_cases(home / record.cases)
    return Suite(
        name=record.name,
        version=record.version,
        purpose=record.purpose,
        kind=record.kind,
        licence=record.licence,
        metrics=record.metrics,
        thresholds=record.thresholds,
        cases=resolve_cases(records, papers, where=str(home / record.cases)),
        papers={paper.paper_id: paper for paper in papers},
        corpus_paths=paths,
        corpus_digest=corpus_digest,
        digest=digest_of(
            [
                record.name,
                record.version,
                record.kind,
                corpus_digest,
                [one.model_dump(mode="json") for one in records],
            ]
        ),
        needs_own_index=record.corpus != (SEEDS,),
    )
