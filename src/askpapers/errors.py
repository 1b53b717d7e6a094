"""Every error this program raises on purpose.

    AskPapersError                exit 6
    ├── UsageError                exit 2   what was asked for makes no sense
    │   └── SettingsError                  a setting is unknown, malformed or out of bounds
    ├── MissingError              exit 3   something must be made or fetched first
    │   ├── ModelMissing                   a model's file is not on this machine
    │   ├── BackendMissing                 an optional library is not installed
    │   ├── IndexMissing                   there is no index yet
    │   └── NotFound                       no such paper, model, suite or run
    ├── DamagedError              exit 4   a file or an input is corrupt
    │   ├── CorpusError                    an input file cannot be read as papers
    │   ├── ModelDamaged                   a model's file is cut short or altered
    │   ├── IndexDamaged                   the index does not verify
    │   └── ResourceError                  a prompt, manifest or suite of the program is malformed
    ├── MismatchError             exit 5   two things that belong together disagree
    │   └── IndexMismatch                  the index was built with other settings
    └── WorkFailed                exit 6   the work was possible and failed
        ├── GenerationFailed               the language model could not finish
        ├── DownloadFailed                 a file could not be fetched whole
        ├── StorageFailed                  the home folder cannot be read or written
        ├── Busy                           another process holds what is needed
        └── GateFailed                     an eval run fell below its thresholds

A message is one sentence; `hint` is the exact command (or action) that mends it.
"""

from __future__ import annotations


class AskPapersError(Exception):
    """Root of the tree: a message for people, a hint that mends it, an exit code."""

    exit_code = 6
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class UsageError(AskPapersError):
    """What was asked for makes no sense."""

    exit_code = 2
    hint = "askpapers --help"


class SettingsError(UsageError):
    """A setting is unknown, malformed or out of bounds."""

    hint = "askpapers settings"


class MissingError(AskPapersError):
    """Something must be made or fetched first."""

    exit_code = 3


class ModelMissing(MissingError):
    """A model's file is not on this machine."""

    hint = "askpapers models list"


class BackendMissing(MissingError):
    """An optional library is not installed."""


class IndexMissing(MissingError):
    """There is no index yet."""

    hint = "askpapers index build"


class NotFound(MissingError):
    """No such paper, model, suite or run."""


class DamagedError(AskPapersError):
    """A file or an input is corrupt."""

    exit_code = 4


class CorpusError(DamagedError):
    """An input file cannot be read as papers."""


class ModelDamaged(DamagedError):
    """A model's file is cut short or altered."""


class IndexDamaged(DamagedError):
    """The index does not verify."""

    hint = "askpapers index build --force"


class ResourceError(DamagedError):
    """A prompt, manifest or suite of the program is malformed."""


class MismatchError(AskPapersError):
    """Two things that belong together disagree."""

    exit_code = 5


class IndexMismatch(MismatchError):
    """The index was built with other settings."""

    hint = "askpapers index build --force"


class WorkFailed(AskPapersError):
    """The work was possible and failed."""


class GenerationFailed(WorkFailed):
    """The language model could not finish."""

    hint = "askpapers ask --quote-only"


class DownloadFailed(WorkFailed):
    """A file could not be fetched whole."""


class StorageFailed(WorkFailed):
    """The home folder cannot be read or written."""

    hint = "set ASKPAPERS_HOME to a folder that you can write"


class Busy(WorkFailed):
    """Another process holds what is needed."""


class GateFailed(WorkFailed):
    """An eval run fell below its thresholds."""
