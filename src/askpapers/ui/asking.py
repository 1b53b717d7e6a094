"""One question on the page, from the button to the finished turn: frames of what is to be shown.

A thread of its own runs the answer, so that stopping takes effect on the page at once; the model
is free at its next token. The evidence is shown before the queue for the model is joined.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from askpapers.answering import (
    Drafted,
    Event,
    Finished,
    Found,
    Searcher,
    Settled,
)
from askpapers.conversation import Conversation
from askpapers.domain import Sentence, Source
from askpapers.errors import AskPapersError, Busy, WorkFailed
from askpapers.questions import check_question
from askpapers.ui.memory import give_back_memory
from askpapers.ui.readiness import Readiness
from askpapers.ui.talks import Ask, Talk, Turn
from askpapers.ui.turnstile import Turnstile

if TYPE_CHECKING:
    from askpapers.app import App

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_REDRAW_SECONDS = 0.1
_COMPLETE = re.compile(r"^.*\](?:\.)(?:\s+|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is busy with others; `ahead` of them come first."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Loading:
    """The papers cannot be searched yet; `text` says what is being done."""

    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The state of a question while it is being answered."""

    ask: Ask
    found: Found | None = None
    settled: tuple[Sentence, ...] = ()
    draft: str = ""
    ahead: int = 0
    loading: str = ""
    turn: Turn | None = None
    error: AskPapersError | None = None
    stopped: bool = False

    @property
    def is_last(self) -> bool:
        """Tell whether nothing comes after this frame."""
        return self.turn is not None or self.error is not None or self.stopped


_News = Event | Waiting | Loading | AskPapersError
"""What the thread of an answer tells the page."""


class Asking:
    """Answers questions of many conversations with one program, one model at a time."""

    def __init__(
        self, program: App, *, readiness: Readiness | None = None, max_waiting: int = 8
    ) -> None:
        """Queue at most `max_waiting` questions behind the one that has the model.

        Args:
            program: what answers.
            readiness: what is loaded already; None: everything.
            max_waiting: at least 0.
        """
        self._program = program
        self._readiness = readiness
        self._turnstile = Turnstile(max_waiting=max_waiting)
        self.searching = threading.RLock()
        """Held while the index is searched or changed: two cores, one index."""

    def run(self, talk: Talk, ask: Ask, *, replace_last: bool = False) -> Iterator[Frame]:
        """Yield frames until the question is answered, stopped or has failed.

        Args:
            talk: the finished turn is added to it.
            ask: the question with its options.
            replace_last: the answer takes the place of the last turn.
        """
        if not talk.busy.acquire(blocking=False):
            yield Frame(
                ask,
                error=Busy(
                    "This conversation is still being answered.", hint="press Stop, then ask again"
                ),
            )
            return
        before = talk.take_back() if replace_last else None
        stopping = threading.Event()
        talk.stopping, talk.is_left = stopping, False
        events: queue.SimpleQueue[_News] = queue.SimpleQueue()
        worker = threading.Thread(
            target=self._work, args=(talk, ask, events, stopping), name="answer", daemon=True
        )
        talk.unfinished = ask
        try:
            worker.start()
            for last in _frames(ask, events, stopping):
                if last.found is not None:
                    for source in last.found.sources:
                        talk.conversation.numbers.setdefault(source.paper_id, source.n)
                if last.turn is not None:
                    talk.add(last.turn)
                    talk.unfinished = before = None
                yield last
        finally:
            stopping.set()
            if before is not None:
                talk.add(before)
            talk.busy.release()

    def _work(
        self,
        talk: Talk,
        ask: Ask,
        events: queue.SimpleQueue[_News],
        stopping: threading.Event,
    ) -> None:
        """Run one answer; every way out gives the model back."""
        try:
            for event in self._events(talk, ask, stopping):
                events.put(event)
                if stopping.is_set():
                    return
        except AskPapersError as exc:
            events.put(exc)
        except Exception:  # the page must say so whatever it was; the log has the rest
            _log.exception("an answer failed")
            events.put(WorkFailed("The answer failed; the terminal shows why.", hint="press Retry"))
        finally:
            give_back_memory()

    def _events(
        self, talk: Talk, ask: Ask, stopping: threading.Event
    ) -> Iterator[Event | Waiting | Loading]:
        yield from self._wait_for_papers(stopping)
        if stopping.is_set():
            return
        # A copy: what a stopped answer does after the stop must not reach the conversation.
        conversation = Conversation(
            list(talk.conversation.answers), dict(talk.conversation.numbers)
        )
        if not ask.quote_only and self._readiness is not None:
            early = self._readiness.find_early_searcher()
            if early is not None:
                yield self._search_early(early, ask, conversation)
        stream = self._program.stream(
            ask.question,
            conversation=conversation,
            filters=ask.filters,
            model=ask.model,
            quote_only=ask.quote_only,
            search_query=ask.search_query,
            abstain_below=ask.abstain_below,
        )
        try:
            with self.searching:
                yield next(stream)
            if ask.quote_only:
                yield from stream
                return
            with self._turnstile.enter() as ticket:
                shown = 0
                while ahead := ticket.ahead():
                    if stopping.is_set():
                        return
                    if ahead != shown:
                        shown = ahead
                        yield Waiting(ahead)
                    ticket.wait(_POLL_SECONDS)
                yield from stream
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    def _wait_for_papers(self, stopping: threading.Event) -> Iterator[Loading]:
        """Say what is being loaded until the papers can be searched, or that has failed."""
        ready, shown = self._readiness, ""
        if ready is None:
            return
        while not (ready.can_search or ready.is_done or stopping.is_set()):
            if ready.text != shown:
                shown = ready.text
                yield Loading(shown)
            ready.wait(_POLL_SECONDS)

    def _search_early(self, searcher: Searcher, ask: Ask, conversation: Conversation) -> Found:
        """Find the evidence while the writing model is still being loaded."""
        query = ask.search_query or conversation.rewrite(check_question(ask.question))
        with self.searching:
            result = searcher.search(query, filters=ask.filters)
        sources = tuple(
            Source(
                n=conversation.number_of(hit.paper.paper_id),
                paper_id=hit.paper.paper_id,
                title=hit.paper.title,
                date=hit.paper.date,
                cited=False,
                read=False,
            )
            for hit in result.hits
        )
        return Found(result, sources)


def _frames(
    ask: Ask, events: queue.SimpleQueue[_News], stopping: threading.Event
) -> Iterator[Frame]:
    """Fold events into frames; the growing draft is redrawn at most ten times a second."""
    frame = Frame(ask)
    drawn = 0.0
    while True:
        if stopping.is_set():
            yield replace(frame, stopped=True, draft="")
            return
        try:
            event = events.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if isinstance(event, AskPapersError):
            yield replace(frame, error=event, draft="")
            return
        if isinstance(event, Finished):
            shown = frame.found.result.evidence if frame.found else ()
            yield replace(frame, turn=Turn(ask, event.answer, tuple(shown)), draft="", ahead=0)
            return
        if isinstance(event, Drafted):
            frame = replace(frame, draft=_unfinished(event.text), ahead=0)
            if time.monotonic() - drawn < _REDRAW_SECONDS:
                continue
            drawn = time.monotonic()
        elif isinstance(event, Settled):
            frame = replace(frame, settled=(*frame.settled, event.sentence), draft="")
        elif isinstance(event, Waiting):
            frame = replace(frame, ahead=event.ahead)
        elif isinstance(event, Loading):
            frame = replace(frame, loading=event.text)
        else:
            frame = replace(frame, found=event)
        yield frame


def _unfinished(text: str) -> str:
    """Return the part of a draft after its last complete sentence, which ends in its marks."""
    return _COMPLETE.sub("", text)
