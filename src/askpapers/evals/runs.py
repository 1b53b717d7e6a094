"""Runs on disk: append-only JSON Lines that survive a kill, and the cache of outputs.

A run file is a header, then a line a case as it finishes, then an end line. A killed run has no
end line; resuming it writes a `resumed` line and goes on with the cases that are missing. Only the
line that a kill cut in two may be unreadable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from askpapers.errors import DamagedError, NotFound, StorageFailed
from askpapers.evals.records import CaseResult, OutputRecord, RunHeader
from askpapers.evals.suites import digest_of
from askpapers.resources import make_folder

_OUTPUTS = TypeAdapter(tuple[OutputRecord, ...])
_CLOCK = ("timings", "seconds", "cached")
CLOCK_METRICS = frozenset(
    {"retrieve_s", "first_token_s", "total_s", "search_s", "tokens_per_second"}
)
"""Measures that a clock decides; they are no part of a run's digest."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was read: its header and its finished cases in the order of the suite."""

    header: RunHeader
    cases: tuple[CaseResult, ...]
    path: Path
    complete: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids of the cases that were not reached."""
        done = {case.case_id for case in self.cases}
        return tuple(name for name in self.header.suite.cases if name not in done)

    @property
    def digest(self) -> str:
        """sha256 of all results, without what a clock decides: equal for equal runs."""
        return digest_of([_without_clock(case.model_dump(mode="json")) for case in self.cases])


def _without_clock(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_clock(one)
            for key, one in value.items()
            if key not in _CLOCK and key not in CLOCK_METRICS
        }
    if isinstance(value, list | tuple):
        return [_without_clock(one) for one in value]
    return value


def _append(path: Path, text: str) -> None:
    """One line, on the disk before this returns."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise StorageFailed(f"The run file {str(path)!r} cannot be written: {exc}.") from exc


class RunWriter:
    """Appends to a run file; opens a new one or goes on with one that was killed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def start(cls, run_dir: Path, header: RunHeader) -> RunWriter:
        """A new file `<run_id>.jsonl` with its header.

        Raises:
            StorageFailed: the folder cannot be written.
        """
        path = make_folder(run_dir) / f"{header.run_id}.jsonl"
        _append(path, header.model_dump_json())
        return cls(path)

    @classmethod
    def resume(cls, run: Run, created: str) -> RunWriter:
        """Goes on with a killed run, past a line that was cut in two."""
        with run.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            cut = file.read() != b"\n"
        lead = "\n" if cut else ""
        _append(run.path, lead + json.dumps({"type": "resumed", "created": created}))
        return cls(run.path)

    def add(self, case: CaseResult) -> None:
        """One finished case."""
        _append(self.path, case.model_dump_json())

    def finish(self, seconds: float) -> None:
        """The end line of a complete run."""
        _append(self.path, json.dumps({"type": "end", "seconds": round(seconds, 3)}))


def _read_lines(path: Path) -> Iterable[tuple[int, dict[str, Any] | None, bool]]:
    """Number, value (`None` when unreadable), and whether a kill may have cut the line."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as exc:
        raise NotFound(
            f"The run {str(path)!r} cannot be read: {exc}.", hint="askpapers eval list"
        ) from exc
    if lines and not lines[-1]:
        lines.pop()
    for index, line in enumerate(lines):
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            value = None
        following = lines[index + 1] if index + 1 < len(lines) else ""
        yield index + 1, value, not following or following.startswith('{"type": "resumed"')


def read_run(path: Path) -> Run:
    """A run file.

    Raises:
        NotFound: there is no such file.
        DamagedError: it has no header, or a line is unreadable that no kill explains.
    """
    header: RunHeader | None = None
    cases: dict[str, CaseResult] = {}
    complete = False
    for number, value, may_be_cut in _read_lines(path):
        if not isinstance(value, dict):
            if number > 1 and may_be_cut:
                continue
            raise DamagedError(
                f"Line {number} of the run {str(path)!r} is not JSON.", hint="run the suite again"
            )
        try:
            if number == 1:
                header = RunHeader.model_validate(value)
            elif value.get("type") == "case":
                case = CaseResult.model_validate(value)
                cases[case.case_id] = case
            elif value.get("type") == "end":
                complete = True
        except ValidationError as exc:
            raise DamagedError(
                f"Line {number} of {str(path)!r} is not a line of a run: {exc.errors()[0]['msg']}.",
                hint="run the suite again",
            ) from exc
    if header is None:
        raise DamagedError(f"The run {str(path)!r} is empty.", hint="run the suite again")
    ordered = tuple(cases[name] for name in header.suite.cases if name in cases)
    return Run(header, ordered, path, complete)


def find_runs(run_dir: Path) -> tuple[Path, ...]:
    """All run files of a folder, newest first (their names begin with the time)."""
    return tuple(sorted(run_dir.glob("*.jsonl"), key=lambda path: path.name, reverse=True))


def load_run(name: str | Path, run_dir: Path) -> Run:
    """A run by path, by id, by the beginning of its id, by its suite (newest) or as "latest".

    Raises:
        NotFound: there is none, or several fit.
    """
    direct = Path(name)
    if direct.is_file():
        return read_run(direct)
    paths = find_runs(run_dir)
    if name == "latest" and paths:
        return read_run(paths[0])
    fitting = [path for path in paths if path.stem == name or path.stem.startswith(str(name))]
    if len(fitting) == 1:
        return read_run(fitting[0])
    if not fitting:
        of_suite = [path for path in paths if path.stem.split("Z-", 1)[-1].startswith(f"{name}-")]
        for path in of_suite:
            run = read_run(path)
            if run.header.suite.name == name:
                return run
    count = f"{len(fitting)} runs begin" if fitting else "no run begins"
    known = ", ".join(path.stem for path in (fitting or paths)[:5])
    raise NotFound(
        f"In {str(run_dir)!r} {count} with {str(name)!r}.",
        hint=f"name one of: {known}" if known else "askpapers eval run smoke",
    )


def find_resumable(run_dir: Path, identity: str) -> Run | None:
    """The newest unfinished run with this identity."""
    for path in find_runs(run_dir):
        with path.open(encoding="utf-8", errors="replace") as file:
            # Reading one line tells other runs apart without parsing them.
            if f'"identity":"{identity}"' not in file.readline():
                continue
        run = read_run(path)
        if not run.complete:
            return run
    return None


class OutputCache:
    """Outputs of the pipeline by everything that decides them; scores are never cached."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def find(self, key: str) -> tuple[OutputRecord, ...] | None:
        """The outputs of the turns of a case, or `None`; an unreadable entry counts as absent."""
        try:
            return _OUTPUTS.validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, key: str, outputs: Sequence[OutputRecord]) -> None:
        """Stores outputs, unless one of them is an error."""
        if any(output.error is not None for output in outputs):
            return
        path = self._path(key)
        make_folder(path.parent)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(_OUTPUTS.dump_json(tuple(outputs)))
            part.replace(path)
        except OSError as exc:
            raise StorageFailed(f"The cache {str(path)!r} cannot be written: {exc}.") from exc
