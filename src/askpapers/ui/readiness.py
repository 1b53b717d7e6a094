"""What of the program is loaded already: the page is there at once, the models follow."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from askpapers.answering import Searcher
from askpapers.errors import AskPapersError

if TYPE_CHECKING:
    from askpapers.app import App

_log = logging.getLogger(__name__)


class Readiness:
    """Loads the program's parts in a thread of its own, search first, and tells how far it is."""

    def __init__(self, program: App) -> None:
        """Load nothing yet; see `start`."""
        self._program = program
        self._searcher: Searcher | None = None
        self._state = "Opening the index …"
        self._share: float | None = None
        self._error: AskPapersError | None = None
        self._done = threading.Event()

    def start(self) -> None:
        """Begin to load."""
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    @property
    def can_search(self) -> bool:
        """Tell whether the index and the models of the search are there."""
        return self._searcher is not None

    @property
    def is_done(self) -> bool:
        """Tell whether loading has ended, well or not."""
        return self._done.is_set()

    @property
    def text(self) -> str:
        """Say what is being loaded, or what failed; empty when all is well and there."""
        if self._error is not None:
            hint = f" Try: {self._error.hint}" if self._error.hint else ""
            return f"{self._error.message}{hint}"
        return "" if self.is_done else self._state

    @property
    def share(self) -> float | None:
        """Return how much of the index is built, 0..1; None when nothing is being built."""
        return self._share

    @property
    def has_failed(self) -> bool:
        """Tell whether loading ended with an error; `text` says which."""
        return self._error is not None

    def wait(self, seconds: float) -> bool:
        """Wait until loading has ended; return whether it has."""
        return self._done.wait(seconds)

    def find_early_searcher(self) -> Searcher | None:
        """Return what can search while the rest is still being loaded; None before and after."""
        return None if self.is_done else self._searcher

    def _load(self) -> None:
        try:
            self._program.open_index(progress=self._tell)
            self._share = None
            self._state = "Loading the models of the search …"
            searcher = self._program.retriever()
            # The first search opens what its parts open late.
            searcher.search("warm-up")
            self._searcher = searcher
            self._state = "Search is ready; loading the model that writes …"
            _ = self._program.judge
            if not self._program.settings.answer.quote_only:
                self._program.writer()
        except AskPapersError as exc:
            self._error = exc
        except Exception:  # loading must end visibly whatever it was; the log has the rest
            _log.exception("loading failed")
            self._error = AskPapersError(
                "Loading failed; the terminal shows why.", hint="askpapers doctor"
            )
        finally:
            self._share = None
            self._done.set()

    def _tell(self, done: int, total: int, label: str) -> None:
        """Remember how far the build of the index is."""
        unit = "files" if label.startswith("reading") else "papers"
        counted = f", {done:,} of {total:,} {unit}" if total else ""
        self._share = done / total if total else None
        self._state = f"Building the index: {label}{counted} …"
