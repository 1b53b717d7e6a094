"""The visible queue before the one model: first come, first served, bounded."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType

from askpapers.errors import Busy


class Ticket:
    """A place in the queue; use as a context manager so that it is always given back."""

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile

    def ahead(self) -> int:
        """Return how many are before this one; 0: the model is this one's."""
        return self._turnstile.ahead(self)

    def wait(self, seconds: float) -> None:
        """Sleep until the queue moves, at most so long."""
        self._turnstile.wait(seconds)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._turnstile.leave(self)


class Turnstile:
    """Lets one through at a time and tells the others how many are before them."""

    def __init__(self, *, max_waiting: int) -> None:
        """Let at most `max_waiting` stand behind the one who is through."""
        self._max = max_waiting
        self._tickets: deque[Ticket] = deque()
        self._moved = threading.Condition()

    def enter(self) -> Ticket:
        """Take a place at the end.

        Raises:
            Busy: the queue is full.
        """
        with self._moved:
            if len(self._tickets) > self._max:
                raise Busy(
                    f"The model is busy and {self._max} questions are waiting already.",
                    hint="wait a moment and press Retry, or ask by quotation, which needs no model",
                )
            ticket = Ticket(self)
            self._tickets.append(ticket)
            return ticket

    def ahead(self, ticket: Ticket) -> int:
        """Return how many are before a ticket."""
        with self._moved:
            return self._tickets.index(ticket)

    def wait(self, seconds: float) -> None:
        """Sleep until somebody leaves, at most so long."""
        with self._moved:
            self._moved.wait(seconds)

    def leave(self, ticket: Ticket) -> None:
        """Give a place back; whoever is next goes through."""
        with self._moved:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            self._moved.notify_all()
