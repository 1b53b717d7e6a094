"""A model's file on this machine: finding it, and making sure that it is what was promised."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from askpapers.errors import ModelDamaged, ModelMissing
from askpapers.models.manifests import Manifest, PathSource, PyPISource, ShippedSource, UrlSource
from askpapers.resources import find_folder

_GGUF_MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified file on this machine. `digest` is its sha256."""

    manifest: Manifest
    path: Path
    digest: str


def find_path(manifest: Manifest, *, home: Path) -> Path | None:
    """Return where the model's file lies on this machine, or None. Nothing is verified."""
    source = manifest.source
    if isinstance(source, PyPISource):
        installed = _find_installed(source)
        if installed is not None:
            return installed
    elif isinstance(source, PathSource):
        path = Path(source.path).expanduser()
        return path if path.exists() else None
    elif isinstance(source, ShippedSource):
        path = find_folder("models") / source.file
        return path if path.is_file() else None
    path = fetched_path(manifest, home)
    return path if path.is_file() else None


def get_file(manifest: Manifest, *, home: Path) -> ModelFile:
    """Return the model's verified file.

    The digest of a large file is remembered under `<home>/models/digests.json` by path, size and
    modification time, so that opening a model does not read it whole every time.

    Raises:
        ModelMissing: the file is not on this machine.
        ModelDamaged: it is cut short, altered or no GGUF.
    """
    path = find_path(manifest, home=home)
    if path is None:
        raise ModelMissing(
            f"The model {manifest.name!r} is not on this machine.",
            hint=f"askpapers models pull {manifest.name}",
        )
    if path.is_dir():
        return ModelFile(manifest, path, "")
    if path.suffix == ".gguf":
        _check_gguf(path, manifest)
    digest = _digest(path, home)
    if manifest.sha256 and digest != manifest.sha256:
        raise ModelDamaged(
            f"The file of model {manifest.name!r} at {str(path)!r} has sha256 {digest[:12]}…, "
            f"its manifest says {manifest.sha256[:12]}….",
            hint=f"askpapers models pull {manifest.name} --force",
        )
    return ModelFile(manifest, path, digest)


def get_adapter(manifest: Manifest, *, home: Path) -> ModelFile | None:
    """Return the verified adapter that a model's manifest names, or None.

    Raises:
        ModelMissing: the file is not on this machine.
        ModelDamaged: it is cut short, altered or no GGUF where it is called one.
    """
    table = manifest.generator or manifest.embedder
    if table is None or table.adapter is None:
        return None
    adapter = Manifest(
        name=Path(table.adapter).stem,
        kind=manifest.kind,
        title=f"adapter of {manifest.name}",
        licence=manifest.licence,
        sha256=table.adapter_sha256,
        source=ShippedSource(type="shipped", file=table.adapter),
    )
    return get_file(adapter, home=home)


def fetched_path(manifest: Manifest, home: Path) -> Path:
    """Return where a fetched file of this model is kept."""
    source = manifest.source
    name = source.url if isinstance(source, UrlSource) else getattr(source, "file", manifest.name)
    return home / "models" / manifest.name / Path(name).name


def _find_installed(source: PyPISource) -> Path | None:
    """Find a package's file without importing the package (importing may need its framework)."""
    try:
        distribution = metadata.distribution(source.package)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(source.file)))
    return path if path.exists() else None


def _check_gguf(path: Path, manifest: Manifest) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
    hint = f"askpapers models pull {manifest.name} --force"
    if magic != _GGUF_MAGIC:
        raise ModelDamaged(f"The file {str(path)!r} is not a GGUF file.", hint=hint)
    if manifest.size_bytes is not None and size != manifest.size_bytes:
        raise ModelDamaged(
            f"The file {str(path)!r} has {size} bytes, its manifest says {manifest.size_bytes}.",
            hint=hint,
        )


def hash_file(path: Path) -> str:
    """Return the sha256 of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path, home: Path) -> str:
    memo_path = home / "models" / "digests.json"
    status = path.stat()
    key = f"{path}|{status.st_size}|{status.st_mtime_ns}"
    try:
        memo = json.loads(memo_path.read_text("utf-8"))
    except (OSError, ValueError):
        memo = {}
    if isinstance(memo, dict) and isinstance(memo.get(key), str):
        return str(memo[key])
    digest = hash_file(path)
    try:  # a memo that cannot be written only costs time
        memo_path.parent.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in memo.items() if not k.startswith(f"{path}|")}
        with tempfile.NamedTemporaryFile(
            "w", dir=memo_path.parent, delete=False, encoding="utf-8"
        ) as file:
            json.dump({**kept, key: digest}, file, indent=0)
        os.replace(file.name, memo_path)
    except OSError:
        return digest
    return digest
