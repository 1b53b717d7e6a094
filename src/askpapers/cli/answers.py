"""`ask`, `search`, `support`, `chat` and `ui`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from askpapers import contract
from askpapers.answering import Drafted, Finished, Settled
from askpapers.cli.terminal import render_proof, render_search, render_written, say
from askpapers.conversation import Conversation
from askpapers.domain import ABSTENTION, Answer
from askpapers.errors import AskPapersError, UsageError

EXIT_ABSTAINED = 10

_Question = Annotated[str | None, typer.Argument(metavar="QUESTION", help="What to ask.")]
_Batch = Annotated[
    Path | None,
    typer.Option("--batch", metavar="FILE.jsonl", help="One question a line; - is stdin."),
]
_K = Annotated[int | None, typer.Option("--k", min=1, max=100, help="Papers found at most.")]
_Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Not older than.")]
_Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Not newer than.")]
_Papers = Annotated[
    list[str] | None,
    typer.Option("--paper", metavar="ID", help="Only this paper; may be repeated."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ask)
    app.command()(search)
    app.command()(support)
    app.command()(chat)
    app.command()(ui)


def ask(
    context: typer.Context,
    question: _Question = None,
    batch: _Batch = None,
    k: _K = None,
    since: _Since = None,
    until: _Until = None,
    paper: _Papers = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Writing model, or a .gguf file.")
    ] = None,
    quote_only: Annotated[
        bool, typer.Option("--quote-only", help="Answer by verbatim quotation; needs no model.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Answer a question with proof for every sentence."""
    _check_one(question, batch, as_json)
    extra = _overrides(k=k, model=model, quote_only=quote_only)
    program = context.obj.app(extra)
    filters = program.check_filters(since=since, until=until, paper_ids=tuple(paper or ()))
    if batch is not None:

        def handle(line: str) -> BaseModel:
            item = contract.parse_line(contract.QuestionLine, line)
            if item.turns is None:
                if item.question is None:
                    raise UsageError("The line has neither a question nor turns.")
                answer = program.answer(item.question, filters=filters)
                return contract.make_answer(answer, id=item.id)
            talk = Conversation()
            turns = [program.answer(q, filters=filters, conversation=talk) for q in item.turns]
            records = [contract.make_answer(turn) for turn in turns]
            return contract.ConversationRecord(id=item.id, turns=records)

        _run_batch(batch, handle)
        return
    if as_json:
        answer = program.answer(question, filters=filters)
        print(contract.dump(contract.make_answer(answer)))
    else:
        answer = _show(program.stream(question, filters=filters))
    if answer.status == "abstained":
        raise typer.Exit(EXIT_ABSTAINED)


def search(
    context: typer.Context,
    question: _Question = None,
    batch: _Batch = None,
    k: _K = None,
    since: _Since = None,
    until: _Until = None,
    paper: _Papers = None,
    as_json: _Json = False,
) -> None:
    """Find papers and the sentences in them that answer a question."""
    _check_one(question, batch, as_json)
    program = context.obj.app(_overrides(k=k))
    filters = program.check_filters(since=since, until=until, paper_ids=tuple(paper or ()))
    if batch is not None:

        def handle(line: str) -> BaseModel:
            item = contract.parse_line(contract.QuestionLine, line)
            if item.question is None:
                raise UsageError("The line has no question.")
            result = program.search(item.question, filters=filters)
            return contract.make_search(result, id=item.id)

        _run_batch(batch, handle)
        return
    result = program.search(question, filters=filters)
    print(contract.dump(contract.make_search(result)) if as_json else render_search(result))


def support(
    context: typer.Context,
    batch: Annotated[
        Path,
        typer.Option(
            "--batch", metavar="FILE.jsonl", help="One claim with its evidence a line; - is stdin."
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Judge whether evidence supports claims."""
    del as_json  # the result of a batch is JSON either way
    judge = context.obj.app().judge

    def handle(line: str) -> BaseModel:
        item = contract.parse_line(contract.ClaimLine, line)
        judgement = judge.judge([(item.claim, item.evidence)])[0]
        return contract.make_support(judgement, id=item.id)

    _run_batch(batch, handle)


def chat(context: typer.Context) -> None:
    """Talk with the papers in the terminal."""
    from askpapers.chat import run_chat

    run_chat(context.obj.app())


def ui(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 7860,
    auth: Annotated[
        str | None,
        typer.Option("--auth", metavar="USER:PASSWORD", help="Ask for this name and password."),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Allow another host without a password.")
    ] = False,
) -> None:
    """Open the page."""
    from askpapers.ui import run_page

    run_page(context.obj.app(), host=host, port=port, auth=auth, open_to_all=open_to_all)


def _check_one(question: str | None, batch: Path | None, as_json: bool) -> None:
    if (question is None) == (batch is None):
        raise UsageError("Give a question or --batch, one of the two.")
    if batch is not None and not as_json:
        raise UsageError("A batch prints JSON.", hint="add --json")


def _overrides(
    *, k: int | None = None, model: str | None = None, quote_only: bool = False
) -> dict[str, dict[str, Any]]:
    extra: dict[str, dict[str, Any]] = {}
    if k is not None:
        extra["retrieval"] = {"k": k}
    if model is not None:
        extra["generation"] = {"model": model}
    if quote_only:
        extra["answer"] = {"quote_only": True}
    return extra


def _show(events: Iterator[Any]) -> Answer:
    """Print sentences as they are settled, the growing draft below them on a terminal."""
    live = sys.stdout.isatty()
    answer: Answer | None = None
    for event in events:
        if isinstance(event, Drafted) and live:
            tail = event.text.rpartition("]. ")[2]
            print(f"\r\033[K\033[2m{tail[-100:]}\033[0m", end="", flush=True)
        elif isinstance(event, Settled):
            print(("\r\033[K" if live else "") + render_written(event.sentence), flush=True)
        elif isinstance(event, Finished):
            answer = event.answer
    if answer is None:
        raise AssertionError("a stream ends with Finished")
    if answer.status == "abstained":
        print(("\r\033[K" if live else "") + ABSTENTION)
    print(f"\n{render_proof(answer)}")
    return answer


def _run_batch(path: Path, handle: Callable[[str], BaseModel]) -> None:
    """Handle a file line by line; a line that fails gets an error object and the rest go on.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        source = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as exc:
        raise UsageError(
            f"The batch file {str(path)!r} cannot be read: {exc.strerror}.",
            hint="askpapers ask --batch FILE.jsonl --json",
        ) from exc
    failed = 0
    with source:
        for raw in source:
            line = raw.decode("utf-8", "replace").strip()
            if not line:
                continue
            try:
                record = handle(line)
            except AskPapersError as exc:
                failed += 1
                record = contract.ErrorRecord(id=contract.find_id(line), error=exc.message)
            print(contract.dump(record), flush=True)
    if failed:
        say(f"{failed} of the lines could not be handled; their objects say why.")
