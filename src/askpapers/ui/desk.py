"""What the ask tab does, as functions of domain objects: no Gradio here.

The desk turns what was typed and clicked into questions, and the progress of a question into the
HTML of the page's regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from askpapers.domain import Filters, Paper
from askpapers.errors import AskPapersError, UsageError
from askpapers.models import find_path, load_manifests
from askpapers.ui.answers import (
    describe,
    render_examples,
    render_live,
    render_loading,
    render_older,
    render_talk,
)
from askpapers.ui.asking import Asking, Frame
from askpapers.ui.exporting import export_talk
from askpapers.ui.feedback import Feedback
from askpapers.ui.proof import EMPTY, render_found, render_proofs
from askpapers.ui.readiness import Readiness
from askpapers.ui.talks import Ask, Talk, Talks

if TYPE_CHECKING:
    from askpapers.app import App

_EXAMPLES = 4
_LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """The regions of the ask tab; None leaves a region as it is."""

    talk: str | None = None
    live: str | None = None
    proof: str | None = None
    status: str | None = ""
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What stands in the filter column."""

    since: str = ""
    until: str = ""
    paper_ids: Sequence[str] = ()
    files: Sequence[str] = ()
    model: str | None = None
    quote_only: bool = False


class Desk:
    """The state of one server: conversations, the queue for the model, ratings."""

    def __init__(self, program: App, *, readiness: Readiness, max_waiting: int = 8) -> None:
        """Serve one program."""
        self.program = program
        self.readiness = readiness
        self.talks = Talks(program.home)
        self.asking = Asking(program, readiness=readiness, max_waiting=max_waiting)
        self.feedback = Feedback(program.home)

    # -- what is there

    def papers(self) -> Mapping[str, Paper]:
        """Return the papers, or nothing while the index is still being opened."""
        return self.program.papers() if self.readiness.can_search else {}

    def find_models(self) -> list[str]:
        """Return the names of the writing models on this machine, the one in force first."""
        chosen = self.program.model_name()
        names = [
            name
            for name, manifest in load_manifests().items()
            if manifest.kind == "generator" and find_path(manifest, home=self.program.home)
        ]
        return [chosen, *(name for name in names if name != chosen)]

    def find_files(self) -> list[str]:
        """Return the names of the files that list papers."""
        return sorted({li.file for paper in self.papers().values() for li in paper.listings})

    def examples(self) -> list[str]:
        """Return questions that the corpus can answer: what its named methods are."""
        names = []
        for paper in self.papers().values():
            head, colon, rest = paper.title.partition(":")
            # A coined name opens a title and comes back in the abstract.
            if colon and " " not in head and rest and paper.abstract.count(head) >= _EXAMPLES - 1:
                names.append(head)
            if len(names) == _EXAMPLES:
                break
        return [f"What is {name} and what does it improve?" for name in names]

    def welcome(self) -> str:
        """Return what an empty conversation shows: examples, or how far loading is."""
        return render_examples(self.examples()) if self.readiness.can_search else self.loading()

    def loading(self) -> str:
        """Return what stands in place of papers that cannot be searched yet."""
        ready = self.readiness
        return render_loading(ready.text, ready.share, has_failed=ready.has_failed)

    # -- a conversation

    def open_talk(self, token: str | None) -> tuple[Talk, View]:
        """Return the conversation of a token, or a new one, as it is to be shown."""
        talk = self.talks.open(token)
        return talk, self.show(talk)

    def change_talk(self, before: str, token: str | None) -> tuple[Talk, View]:
        """Leave a conversation for another, or for a new one; an answer being written stops.

        Returns only when nothing more of the old conversation is drawn, so that none of it
        appears in the other.
        """
        left = self.talks.open(before)
        left.is_left = True
        left.stopping.set()
        if left.busy.acquire(timeout=_LEAVE_SECONDS):
            left.busy.release()
        return self.open_talk(token)

    def list_older(self, tokens: Sequence[str]) -> str:
        """Return the list of a browser's earlier conversations."""
        return render_older(self.talks.list_saved(tokens))

    def show(self, talk: Talk) -> View:
        """Return a whole conversation at rest."""
        return View(
            talk=render_talk(talk.turns) or self.welcome(),
            live="",
            proof=render_proofs(talk.turns, self.papers()) or EMPTY,
            status=self.status(talk),
        )

    def status(self, talk: Talk) -> str:
        """Return what the status line says of a conversation at rest.

        Nothing where the empty conversation itself shows how far loading is: said twice, and
        read aloud with every change, it would only disturb.
        """
        if not talk.turns and not self.readiness.can_search:
            return ""
        if talk.turns and talk.unfinished is None and not self.readiness.text:
            last = talk.turns[-1]
            return describe(Frame(last.ask, turn=last))
        return self.readiness.text

    def make_ask(self, question: str, choices: Choices) -> Ask:
        """Return a question with its options, checked.

        Raises:
            UsageError, NotFound: a filter makes no sense.
        """
        filters = Filters()
        if choices.since or choices.until or choices.paper_ids or choices.files:
            filters = self.program.check_filters(
                since=choices.since.strip() or None,
                until=choices.until.strip() or None,
                paper_ids=tuple(choices.paper_ids),
                files=tuple(choices.files),
            )
        default = choices.model in (None, "", self.program.model_name())
        return Ask(
            question,
            filters,
            model=None if default else choices.model,
            quote_only=choices.quote_only,
        )

    def ask(
        self, talk: Talk, question: str, choices: Choices, *, replace_last: bool = False
    ) -> Iterator[View]:
        """Answer a question; yield what is to be shown."""
        try:
            ask = self.make_ask(question, choices)
        except AskPapersError as exc:
            talk.unfinished = Ask(question)
            frames = [Frame(talk.unfinished, error=exc)]
            yield from self._show_frames(talk, talk.unfinished, frames, len(talk.turns))
            return
        yield from self._run(talk, ask, replace_last=replace_last)

    def act(self, talk: Talk, action: str, data: Mapping[str, Any]) -> Iterator[View]:
        """Do what a button inside the conversation asks for: retry, wider, requery.

        Raises:
            UsageError: there is no such action, or no question to apply it to.
        """
        last = talk.unfinished or (talk.turns[-1].ask if talk.turns else None)
        if last is None:
            raise UsageError("Nothing was asked yet.", hint="type a question")
        replaces = talk.unfinished is None
        if action == "retry":
            ask = last
        elif action == "wider":
            ask = Ask(last.question, Filters(), last.model, last.quote_only, None, 0.0)
        elif action == "requery":
            query = str(data.get("query", "")).strip() or None
            ask = Ask(last.question, last.filters, last.model, last.quote_only, query)
        else:
            raise UsageError(f"There is no action {action!r}.")
        yield from self._run(talk, ask, replace_last=replaces)

    def last_question(self, talk: Talk) -> str:
        """Return the last question, to be edited."""
        if talk.unfinished is not None:
            return talk.unfinished.question
        return talk.turns[-1].ask.question if talk.turns else ""

    def stop(self, talk: Talk) -> None:
        """Stop what is being answered in this conversation."""
        talk.stopping.set()

    def export(self, talk: Talk, format: str) -> tuple[str, str, str]:
        """Return (file name, media type, text): md, bib, json, or cases for all ratings kept."""
        if format == "cases":
            return "feedback-cases.jsonl", "application/jsonl", self.feedback.export_cases()
        return export_talk(talk.turns, self.papers(), format)

    def rate(self, talk: Talk, turn: int, *, thumb: str, reason: str, note: str) -> None:
        """Keep a rating of one turn, 1-based.

        Raises:
            UsageError: there is no such turn.
        """
        if not 1 <= turn <= len(talk.turns):
            raise UsageError(f"There is no turn {turn}.")
        self.feedback.add(talk.turns[turn - 1].answer, thumb=thumb, reason=reason, note=note)

    def _run(self, talk: Talk, ask: Ask, *, replace_last: bool) -> Iterator[View]:
        kept = len(talk.turns) - (1 if replace_last and talk.turns else 0)
        frames = self.asking.run(talk, ask, replace_last=replace_last)
        yield from self._show_frames(talk, ask, frames, kept)

    def _show_frames(
        self, talk: Talk, ask: Ask, frames: Iterator[Frame] | Sequence[Frame], kept: int
    ) -> Iterator[View]:
        """Turn frames into views; the first `kept` turns stand above the live one."""
        number = kept + 1
        shown = None
        first = Frame(ask)
        yield View(
            talk=render_talk(talk.turns[:kept]),
            live=render_live(first, number),
            status=describe(first),
            is_busy=True,
        )
        for frame in frames:
            if frame.turn is not None:
                self.talks.save(talk)
            if talk.is_left:
                yield View(status=None)
                return
            if frame.turn is not None:
                yield View(
                    talk=render_talk(talk.turns),
                    live="",
                    proof=render_proofs(talk.turns, self.papers()),
                    status=describe(frame),
                )
                return
            proof = None
            if frame.found is not shown and frame.found is not None:
                shown = frame.found
                proof = render_proofs(talk.turns[:kept], self.papers(), show_last=False)
                proof += render_found(frame, number)
            yield View(
                live=render_live(frame, number),
                proof=proof,
                status=describe(frame),
                is_busy=not frame.is_last,
            )
