"""Where prompts/, models/, evals/ and seeds/ are, and the home folder that is written to.

Search order for a folder: explicit override, the copy inside an installed wheel, the source
checkout. Nothing here reads file contents but to tell one state of the code from another.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from askpapers.errors import ResourceError, StorageFailed

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = ("prompts", "models", "evals", "seeds")


def find_folder(name: str, override: Path | None = None) -> Path:
    """Return the folder called `name` (one of prompts, models, evals, seeds).

    Raises:
        ResourceError: the override or both known places are missing.
    """
    if name not in _FOLDERS:
        raise ResourceError(f"There is no resource folder called {name!r}.")
    candidates = [override] if override else [_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ResourceError(
        f"The folder {name!r} was not found at {', '.join(map(str, candidates))}.",
        hint="pip install --force-reinstall askpapers",
    )


def home_folder() -> Path:
    """Return the folder that holds everything written: `ASKPAPERS_HOME` or the user's data folder.

    The folder is not created here.
    """
    configured = os.environ.get("ASKPAPERS_HOME", "").strip()
    if configured:
        return Path(configured).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("askpapers"))


def make_folder(path: Path) -> Path:
    """Create `path` with its parents and return it.

    Raises:
        StorageFailed: it cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageFailed(
            f"The folder {str(path)!r} cannot be created: {exc.strerror or exc}."
        ) from exc
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageFailed(f"The folder {str(path)!r} cannot be written.")
    return path


@cache
def digest_code() -> str:
    """Return the sha256 of this package's modules: what other code answers is another answer."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
