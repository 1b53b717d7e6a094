"""Wires the eval harness to the program: a suite is answered over an index of its own corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from askpapers.app import App
from askpapers.conversation import Conversation
from askpapers.domain import Answer, SearchResult
from askpapers.models import get_manifest
from askpapers.opening import open_judge
from askpapers.resources import find_folder

if TYPE_CHECKING:
    from askpapers.evals import Progress as CaseProgress
    from askpapers.evals import Run
    from askpapers.evals.judging import JudgeReport

Progress = Callable[[int, int, str], None]

_DEPTH = 10
"""Papers searched for in retrieval cases: recall@10 needs ten."""


def run_suite(
    app: App,
    name: str,
    *,
    judge_name: str = "support",
    limit: int | None = None,
    tag: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a suite and return the finished run; runs are kept in the program's own home.

    Raises:
        NotFound: there is no such suite, tag or judge.
        ResourceError: the suite is malformed.
    """
    from askpapers import evals

    suite = evals.load_suite(name)
    program = App(
        app.settings,
        home=app.home / "suites" / suite.corpus_digest[:16],
        progress=progress,
    )
    program.build_index([str(path) for path in suite.corpus_paths])
    judge = open_judge(judge_name, app.home)

    def answer(questions: Sequence[str]) -> list[Answer]:
        talk = Conversation()
        return [program.answer(question, conversation=talk) for question in questions]

    def search(question: str) -> SearchResult:
        return program.search(question, limit=max(_DEPTH, app.settings.retrieval.k))

    def show(case: CaseProgress) -> None:
        if progress is not None:
            progress(case.done, case.total, f"{suite.name}: cases")

    answering = suite.kind == "answers"
    quotes = app.settings.answer.quote_only or not answering
    try:
        return evals.run_suite(
            suite,
            run_dir=app.runs_folder,
            settings_manifest=program.manifest(None if quotes else program.writer()),
            answer=answer if answering else None,
            search=search,
            judge=judge,
            judge_card=dict(get_manifest("judge").parameters.get("figures", {})),
            embed=program.embedder.embed_passages,
            limit=limit,
            tag=tag,
            seed=seed,
            depth=_DEPTH,
            fresh=fresh,
            progress=show,
        )
    finally:
        program.close()


def measure_judge(
    app: App, name: str, data: Path | None, *, limit: int | None = None, seed: int = 0
) -> JudgeReport:
    """Measure a judge against the human-labelled sets under `data` and the corruption suite."""
    from askpapers.evals.judging import judge_report

    return judge_report(
        open_judge(name, app.home),
        data,
        embed=app.embedder.embed_passages,
        corruptions=find_folder("evals") / "corruptions",
        limit=limit,
        seed=seed,
    )
