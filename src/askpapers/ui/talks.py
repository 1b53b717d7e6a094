"""Conversations of the page: kept in memory, saved under the home folder, found by a secret id.

The id is an unguessable token that lives in the browser's tab; the file's name is a digest of it,
so that neither a listing nor a backup of the home folder opens somebody's conversation.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from askpapers.conversation import Conversation
from askpapers.domain import Answer, Evidence, Filters

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FOLDER = "conversations"
MAX_TALKS = 200
"""Conversations kept, in memory and on disk; the oldest go first."""
MAX_LISTED = 20
"""Earlier conversations that are listed for one browser."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question with everything chosen for it, so that it can be asked again."""

    question: str
    filters: Filters = field(default_factory=Filters)
    model: str | None = None
    quote_only: bool = False
    search_query: str | None = None
    abstain_below: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished turn: what was asked, the answer, the sentences that were shown for it."""

    ask: Ask
    answer: Answer
    shown: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """An earlier conversation in a list; `changed` is seconds since 1970."""

    token: str
    question: str
    count: int
    changed: float


@dataclass(frozen=True, slots=True)
class _SavedTalk:
    """The file of a conversation."""

    turns: list[Turn]
    numbers: dict[str, int]


class Talk:
    """One conversation with its turns. Its lock is held by the one question being answered."""

    def __init__(self, token: str, *, turns: list[Turn] | None = None) -> None:
        self.token = token
        self.turns = turns or []
        self.conversation = Conversation()
        self.unfinished: Ask | None = None
        self.stopping = threading.Event()
        self.is_left = False
        self.busy = threading.Lock()

    def take_back(self) -> Turn | None:
        """Remove and return the last turn; source numbers stay as they are."""
        if not self.turns:
            return None
        self.conversation.answers[:] = [turn.answer for turn in self.turns[:-1]]
        return self.turns.pop()

    def add(self, turn: Turn) -> None:
        """Append a finished turn; the conversation knows exactly the answers of the turns."""
        self.turns.append(turn)
        self.conversation.answers[:] = [one.answer for one in self.turns]

    def clear(self) -> None:
        """Forget all turns and numbers."""
        self.turns.clear()
        self.unfinished = None
        self.conversation = Conversation()


class Talks:
    """All conversations of one server. Safe to use from many threads."""

    def __init__(self, home: Path) -> None:
        """Keep conversations in a folder of `home`, made when the first is saved."""
        self._folder = home / _FOLDER
        self._open: OrderedDict[str, Talk] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, token: str | None) -> Talk:
        """Return the conversation of this token, or a new one under a new token."""
        with self._lock:
            talk = self._find(token) if token and _TOKEN.fullmatch(token) else None
            if talk is None:
                talk = Talk(secrets.token_urlsafe(32))
            self._open[talk.token] = talk
            self._open.move_to_end(talk.token)
            while len(self._open) > MAX_TALKS:
                self._open.popitem(last=False)
            return talk

    def list_saved(self, tokens: Sequence[str]) -> list[Listed]:
        """Return the conversations of these tokens that have a turn, the last changed first."""
        found = []
        for token in dict.fromkeys(tokens[:MAX_LISTED]):
            if not _TOKEN.fullmatch(token):
                continue
            with self._lock:
                talk = self._open.get(token)
            # A file is read without the lock: nobody's question waits for a list.
            turns = (talk or self._read(token) or Talk(token)).turns
            if turns:
                changed = self._changed(token)
                found.append(Listed(token, turns[0].answer.question, len(turns), changed))
        return sorted(found, key=lambda one: one.changed, reverse=True)

    def save(self, talk: Talk) -> None:
        """Write a conversation to disk; a disk that refuses costs the copy, not the page."""
        saved = _SavedTalk(talk.turns, dict(talk.conversation.numbers))
        path = self._path(talk.token)
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(_adapter().dump_json(saved))
            part.chmod(0o600)
            part.replace(path)
            self._prune()
        except OSError as exc:
            _log.warning("The conversation could not be saved: %s", exc)

    def _find(self, token: str) -> Talk | None:
        return self._open.get(token) or self._read(token)

    def _read(self, token: str) -> Talk | None:
        try:
            saved = _adapter().validate_json(self._path(token).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            _log.warning("A saved conversation cannot be read (%s)", exc)
            return None
        talk = Talk(token, turns=saved.turns)
        talk.conversation.numbers.update(saved.numbers)
        talk.conversation.answers.extend(turn.answer for turn in saved.turns)
        return talk

    def _changed(self, token: str) -> float:
        try:
            return self._path(token).stat().st_mtime
        except OSError:
            return 0.0

    def _path(self, token: str) -> Path:
        return self._folder / f"{hashlib.sha256(token.encode()).hexdigest()[:40]}.json"

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MAX_TALKS]:
            path.unlink(missing_ok=True)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(_SavedTalk)
