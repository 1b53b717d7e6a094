"""Runs a suite: every case through the pipeline, scored and written down as it finishes."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from askpapers.domain import Answer, SearchResult
from askpapers.errors import AskPapersError, UsageError
from askpapers.evals.cases import Case
from askpapers.evals.gates import Gate, check_gate
from askpapers.evals.records import (
    CaseResult,
    ErrorRecord,
    OutputRecord,
    RunHeader,
    SuiteHeader,
    record_answer,
    record_search,
)
from askpapers.evals.runs import OutputCache, Run, RunWriter, find_resumable, read_run
from askpapers.evals.scoring import Means, score_turn
from askpapers.evals.suites import Suite, digest_of
from askpapers.metrics.answers import Embed
from askpapers.support import SupportJudge

Answerer = Callable[[Sequence[str]], Sequence[Answer]]
"""The questions of one conversation (usually one) -> one answer each; a fresh conversation."""

Searcher = Callable[[str], SearchResult]
"""A question -> its ranking, at least `depth` papers deep where the corpus has them."""

_PACKAGES = (
    "askpapers", "chromadb", "bm25s", "llama-cpp-python", "numpy", "sentence-transformers",
    "tiktoken", "torch", "transformers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `seconds_left` is `None` until a case was timed."""

    done: int
    total: int
    case_id: str
    verdict: str
    cached: bool
    seconds_left: float | None


def describe_environment() -> dict[str, Any]:
    """Python, packages, machine and git revision: what a header says of where a run was made."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "git": _find_revision(),
    }


def _find_revision() -> str | None:
    """The git revision of the checkout this file lies in, "+changes" when files differ from it."""
    command = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        ask = {"capture_output": True, "text": True, "timeout": 10, "check": True}
        revision = subprocess.run([*command, "rev-parse", "HEAD"], **ask)  # type: ignore[call-overload]
        changes = subprocess.run(  # type: ignore[call-overload]
            [*command, "status", "--porcelain", "--untracked-files=no"], **ask
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return str(revision.stdout).strip() + ("+changes" if str(changes.stdout).strip() else "")


def _record_error(exc: Exception) -> ErrorRecord:
    code = exc.exit_code if isinstance(exc, AskPapersError) else None
    return ErrorRecord(type=type(exc).__name__, message=str(exc), exit_code=code)


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """The injected callables, and how they are asked."""

    answer: Answerer | None
    search: Searcher | None
    depth: int

    def _search(self, question: str) -> OutputRecord:
        if self.search is None:
            return OutputRecord()
        record, timings = record_search(self.search(question), self.depth)
        return OutputRecord(search=record, timings=timings)

    def _answer(self, case: Case) -> list[OutputRecord]:
        if self.answer is None:
            return [self._search(turn.question) for turn in case.turns]
        given = list(self.answer([turn.question for turn in case.turns]))
        if len(given) != len(case.turns):
            raise ValueError(f"{len(case.turns)} questions got {len(given)} answers")
        outputs = []
        for turn, answer in zip(case.turns, given, strict=True):
            record, timings = record_answer(answer)
            error = None
            if answer.status == "error":
                error = ErrorRecord(type="Answer", message=answer.reason or "no reason given",
                                    exit_code=6)  # fmt: skip
            found = OutputRecord()
            if error is None and (turn.grades or turn.evidence):
                # A follow-up is searched as the pipeline rewrote it.
                found = self._search(answer.search_query or turn.question)
            outputs.append(
                OutputRecord(
                    answer=record,
                    search=found.search,
                    error=error,
                    timings={**timings, **found.timings},
                )
            )
        return outputs

    def run(self, case: Case) -> list[OutputRecord]:
        """The outputs of all turns; an error is data, for every turn of the case."""
        try:
            return self._answer(case)
        except Exception as exc:  # whatever a pipeline raises is a result of the eval
            return [OutputRecord(error=_record_error(exc)) for _ in case.turns]


def _run_case(
    case: Case, suite: Suite, pipeline: _Pipeline, means: Means, cache: OutputCache, base: str
) -> CaseResult:
    started = time.perf_counter()
    key = digest_of([base, [turn.question for turn in case.turns]])
    outputs: Sequence[OutputRecord] | None = cache.find(key)
    cached = outputs is not None
    if outputs is None:
        outputs = pipeline.run(case)
        cache.put(key, outputs)
    rows = tuple(
        score_turn(turn, output, means, suite.kind, number)
        for number, (turn, output) in enumerate(zip(case.turns, outputs, strict=True))
    )
    return CaseResult(
        case_id=case.case_id,
        tags=case.tags,
        rows=rows,
        cached=cached,
        seconds=round(time.perf_counter() - started, 3),
    )


def _finish_in_order(
    cases: Sequence[Case], work: Callable[[Case], CaseResult], workers: int
) -> Iterator[CaseResult]:
    """Results as they finish; with one worker in the order of the cases."""
    if workers == 1:
        yield from map(work, cases)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: set[Future[CaseResult]] = {pool.submit(work, case) for case in cases}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def _describe_suite(suite: Suite, cases: Sequence[Case]) -> SuiteHeader:
    return SuiteHeader(
        name=suite.name,
        version=suite.version,
        kind=suite.kind,
        purpose=suite.purpose,
        digest=suite.digest,
        corpus_digest=suite.corpus_digest,
        licence=suite.licence,
        metrics=suite.metrics,
        thresholds=dict(suite.thresholds),
        cases=tuple(case.case_id for case in cases),
    )


def run_suite(
    suite: Suite,
    *,
    run_dir: Path,
    settings_manifest: Mapping[str, Any],
    answer: Answerer | None = None,
    search: Searcher | None = None,
    judge: SupportJudge | None = None,
    judge_card: Mapping[str, Any] | None = None,
    embed: Embed | None = None,
    limit: int | None = None,
    tag: str | None = None,
    seed: int = 0,
    depth: int = 10,
    fail_under: Gate | None = None,
    progress: Callable[[Progress], None] | None = None,
    workers: int = 1,
    fresh: bool = False,
) -> Run:
    """Runs a suite and writes the run down case by case.

    A run of the same things that was killed is gone on with. Outputs are cached by case and
    `settings_manifest`, so that manifest must name everything that decides an answer: settings,
    hashes of model files, digests of prompts, the fingerprint of the index, the seed.

    Args:
        suite: The cases, resolved.
        run_dir: The folder of all runs; the cache lies in it.
        settings_manifest: All that decides an output, as JSON values.
        answer: The pipeline; needed by suites of the kind "answers".
        search: The retriever; gives an answers suite its retrieval measures too.
        judge: Says whether a claim follows; without, those measures are unscored.
        judge_card: The judge's own measured error rates, shown in reports.
        embed: For the similarity to reference answers.
        limit: Only the first so many cases.
        tag: Only cases with this tag.
        seed: Seed of the intervals.
        depth: How many papers `search` was asked for.
        fail_under: Thresholds to check at the end.
        progress: Called after every case.
        workers: Threads; more than one only where the pipeline is safe to share.
        fresh: Neither resume a killed run nor use cached outputs.

    Returns:
        The complete run.

    Raises:
        UsageError: the pipeline lacks what the suite needs.
        GateFailed: the run is complete and falls short of `fail_under`.
        StorageFailed: the run cannot be written.
    """
    if suite.kind == "answers" and answer is None:
        raise UsageError(f"The suite {suite.name!r} needs a pipeline that answers.")
    if suite.kind == "retrieval" and search is None:
        raise UsageError(f"The suite {suite.name!r} needs a retriever.")
    cases = suite.select(limit=limit, tag=tag)
    manifest = dict(settings_manifest)
    manifest_digest = digest_of(manifest)
    judge_name = judge.name if judge is not None else None
    # The measures are part of what a run is: a change of theirs must not resume an older run.
    identity = digest_of([suite.digest, manifest_digest, judge_name, seed, depth, limit, tag])
    created = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    found = None if fresh else find_resumable(run_dir, identity)
    if found is None:
        header = RunHeader(
            run_id=f"{created}-{suite.name}-{manifest_digest[:8]}",
            identity=identity,
            suite=_describe_suite(suite, cases),
            judge=judge_name,
            judge_card=dict(judge_card or {}),
            manifest=manifest,
            manifest_digest=manifest_digest,
            seed=seed,
            depth=depth,
            limit=limit,
            tag=tag,
            created=created,
            environment=describe_environment(),
        )
        writer = RunWriter.start(run_dir, header)
        done: set[str] = set()
    else:
        writer = RunWriter.resume(found, created)
        done = {case.case_id for case in found.cases}
    pipeline = _Pipeline(answer if suite.kind == "answers" else None, search, depth)
    means = Means(suite.papers, judge, embed, depth, searches=search is not None)
    cache = OutputCache(run_dir / "cache" / ("fresh-" + created if fresh else "shared"))
    base = digest_of([suite.kind, suite.corpus_digest, manifest_digest, depth, search is None])
    started = time.perf_counter()
    left = [case for case in cases if case.case_id not in done]
    timed = 0
    results = _finish_in_order(
        left, lambda case: _run_case(case, suite, pipeline, means, cache, base), workers
    )
    for count, result in enumerate(results, start=1):
        writer.add(result)
        timed += not result.cached
        if progress is not None:
            spent = time.perf_counter() - started
            progress(
                Progress(
                    done=len(done) + count,
                    total=len(cases),
                    case_id=result.case_id,
                    verdict=result.verdict,
                    cached=result.cached,
                    seconds_left=spent / timed * (len(left) - count) if timed else None,
                )
            )
    writer.finish(time.perf_counter() - started)
    run = read_run(writer.path)
    if fail_under is not None:
        check_gate(run, fail_under)
    return run
