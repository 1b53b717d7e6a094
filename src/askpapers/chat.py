"""`askpapers chat`: a conversation in the terminal.

prompt_toolkit edits the line and keeps its history; Ctrl-C stops the answer that is being
written, not the program; Ctrl-D or /quit ends it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from askpapers import contract
from askpapers.answering import Drafted, Finished, Found, Settled
from askpapers.cli.terminal import render_proof, render_written, say, wrap
from askpapers.conversation import Conversation
from askpapers.domain import ABSTENTION, Answer, Filters
from askpapers.errors import AskPapersError, UsageError

if TYPE_CHECKING:
    from askpapers.app import App

# Complete sentences end in their marks; what follows them is still being written.
_COMPLETE = re.compile(r"^.*\]\.(?:\s+|$)", re.DOTALL)
_HELP = """\
/sources         the sources of the last answer, with the supporting sentences
/open N          the whole abstract of source N
/filter ...      since=2023 until=2024-06 paper=ID file=NAME; /filter alone removes all filters
/model NAME      change the writing model; /model quotes for quotations alone
/export FILE     write the conversation (.md or .json)
/new             begin a new conversation
/help            this list
/quit            end; so does Ctrl-D"""


class Chat:
    """One conversation; reads lines, prints answers."""

    def __init__(self, program: App, *, write: Callable[[str], None] = print) -> None:
        """Begin an empty conversation over `program`; `write` gets whole lines of output."""
        self._program = program
        self._write = write
        self._talk = Conversation()
        self._filters = Filters()
        self._model: str | None = None
        self._quotes = False

    def handle(self, line: str) -> bool:
        """Handle one line; return False when the conversation is over.

        Raises:
            AskPapersError: what was asked for could not be done; the conversation goes on.
        """
        line = line.strip()
        if not line:
            return True
        if not line.startswith("/"):
            self._ask(line)
            return True
        command, _, rest = line.partition(" ")
        if command in ("/quit", "/exit"):
            return False
        commands: dict[str, Callable[[str], None]] = {
            "/help": lambda _: self._write(_HELP),
            "/sources": lambda _: self._write(render_proof(self._last())),
            "/open": self._open,
            "/filter": self._filter,
            "/model": self._choose_model,
            "/export": self._export,
            "/new": self._restart,
        }
        if command not in commands:
            raise UsageError(f"There is no command {command!r}.", hint="/help")
        commands[command](rest.strip())
        return True

    def _ask(self, question: str) -> None:
        live = sys.stdout.isatty()
        show = _show_draft if live else _show_nothing
        show("Searching …")
        events: Iterator[object] = self._program.stream(
            question,
            conversation=self._talk,
            filters=self._filters,
            model=self._model,
            quote_only=self._quotes,
        )
        try:
            for event in events:
                if isinstance(event, Found):
                    show("")
                    if event.result.query.search_query != question:
                        self._write(wrap(f"(searched: {event.result.query.search_query})"))
                    show("Reading …")
                elif isinstance(event, Drafted):
                    show(_COMPLETE.sub("", event.text))
                elif isinstance(event, Settled):
                    show("")
                    self._write(render_written(event.sentence))
                elif isinstance(event, Finished):
                    show("")
                    self._finish(event.answer)
        except KeyboardInterrupt:
            close = getattr(events, "close", None)
            if close:
                close()
            show("")
            self._write("(stopped)")
        finally:
            show("")

    def _finish(self, answer: Answer) -> None:
        if answer.status == "abstained":
            self._write(ABSTENTION)
        self._write("")
        self._write(render_proof(answer))

    def _last(self) -> Answer:
        if not self._talk.answers:
            raise UsageError("Nothing was asked yet.", hint="type a question")
        return self._talk.answers[-1]

    def _open(self, rest: str) -> None:
        wanted = {n: paper_id for paper_id, n in self._talk.numbers.items()}
        if not rest.isdigit() or int(rest) not in wanted:
            raise UsageError(f"There is no source {rest or '?'!r}.", hint="/sources")
        paper = self._program.papers()[wanted[int(rest)]]
        self._write(wrap(paper.title))
        self._write(wrap(paper.abstract))

    def _filter(self, rest: str) -> None:
        values: dict[str, list[str]] = {"since": [], "until": [], "paper": [], "file": []}
        for part in rest.split():
            name, _, value = part.partition("=")
            if name not in values or not value:
                raise UsageError(
                    f"A filter is since=, until=, paper= or file=, not {part!r}.", hint="/help"
                )
            values[name].append(value)
        self._filters = self._program.check_filters(
            since=next(iter(values["since"]), None),
            until=next(iter(values["until"]), None),
            paper_ids=tuple(values["paper"]),
            files=tuple(values["file"]),
        )
        self._write("Filters: " + (rest or "none"))

    def _choose_model(self, rest: str) -> None:
        if not rest:
            self._write("quotations" if self._quotes else self._program.model_name(self._model))
            return
        if rest != "quotes":
            self._program.writer(rest)
            self._model = rest
        self._quotes = rest == "quotes"
        self._write("Answers are " + ("quotations." if self._quotes else f"written by {rest}."))

    def _export(self, rest: str) -> None:
        path = Path(rest).expanduser()
        records = [contract.make_answer(a).model_dump(mode="json") for a in self._talk.answers]
        if path.suffix == ".json":
            text = json.dumps({"turns": records}, ensure_ascii=False, indent=2)
        elif path.suffix == ".md":
            parts = [
                f"## {a.question}\n\n{a.text}\n\n{render_proof(a)}" for a in self._talk.answers
            ]
            text = "\n\n".join(parts) + "\n"
        else:
            raise UsageError("The file must end in .md or .json.", hint="/export talk.md")
        try:
            path.write_text(text, "utf-8")
        except OSError as exc:
            raise UsageError(f"The file {rest!r} cannot be written: {exc.strerror}.") from exc
        self._write(f"Written to {path}.")

    def _restart(self, _: str) -> None:
        self._talk = Conversation()
        self._write("A new conversation.")


def _show_draft(text: str) -> None:
    """Replace the line under the cursor by the end of a text, dimmed; it never wraps."""
    tail = text[-(shutil.get_terminal_size((88, 24)).columns - 1) :]
    shown = f"\033[2m{tail}\033[0m" if tail else ""
    print(f"\r\033[K{shown}", end="", flush=True)


def _show_nothing(_: str) -> None:
    """Stand in for the draft where stdout is no terminal."""


def run_chat(program: App) -> None:
    """Read lines until the end of input."""
    chat = Chat(program)
    program.open_index()
    say("Ask about the papers. /help lists the commands, Ctrl-D ends.")
    for line in _read_lines(program):
        try:
            if not chat.handle(line):
                return
        except AskPapersError as exc:
            say(exc.message + (f" ({exc.hint})" if exc.hint else ""))
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            say("(stopped)")


def _read_lines(program: App) -> Iterator[str]:
    """Yield typed lines with editing and history on a terminal, plain lines from a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    path = program.home / "chat-history"
    history: History = InMemoryHistory()
    with suppress(OSError):  # a home that cannot be written costs the history, not the chat
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
        history = FileHistory(str(path))
    # The Tab key completes a command at the beginning of a line.
    commands = [line.split()[0] for line in _HELP.splitlines()]
    session: PromptSession[str] = PromptSession(
        history=history,
        completer=WordCompleter(commands, sentence=True),
        complete_while_typing=False,
    )
    with suppress(EOFError):
        while True:
            try:
                yield session.prompt("> ")
            except KeyboardInterrupt:
                continue
