"""Every setting, described and bounded, and where its value came from.

Precedence: command line > environment (`ASKPAPERS_RETRIEVAL__K=5`) > `askpapers.toml` > defaults.
The file is `askpapers.toml` in the working folder, or the one named by `ASKPAPERS_CONFIG`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from askpapers.errors import SettingsError

_PREFIX = "ASKPAPERS_"
# Environment names with a meaning of their own, read elsewhere.
_RESERVED = {"ASKPAPERS_HOME", "ASKPAPERS_CONFIG"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSettings(_Section):
    """Which papers."""

    paths: tuple[str, ...] = Field(
        default=(), description="files, folders or globs indexed when none are named; empty: seeds/"
    )


class EmbeddingSettings(_Section):
    """The model that turns texts into vectors."""

    model: str = Field(default="embedder", description="name of an embedder manifest")
    batch_size: int = Field(default=64, ge=1, le=1024, description="texts embedded at once")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")


class RetrievalSettings(_Section):
    """Which papers and sentences are found."""

    k: int = Field(default=8, ge=1, le=100, description="papers returned")
    rerank: bool = Field(default=True, description="let the trained reader reorder the top papers")
    rerank_papers: int = Field(default=12, ge=1, le=100, description="papers the reader reads")
    likelihood: bool = Field(
        default=True,
        description="let the embedded language model part papers that the reader leaves close, "
        "and say whether they state what is asked",
    )
    evidence_sentences: int = Field(
        default=4, ge=1, le=12, description="sentences shown to the writing model"
    )
    evidence_papers: int = Field(
        default=3, ge=1, le=12, description="papers those sentences may come from"
    )


class GenerationSettings(_Section):
    """The language model that writes."""

    model: str = Field(
        default="smollm2-135m", description="name of a generator manifest, or a path to a .gguf"
    )
    gpu_layers: int = Field(default=-1, ge=-1, description="layers on the GPU; -1: all")
    threads: int = Field(
        default=0, ge=0, le=256, description="CPU threads; 0: one per core it may use"
    )
    max_tokens: int = Field(default=160, ge=16, le=4096, description="tokens written at most")
    temperature: float = Field(default=0.0, ge=0.0, le=2.0, description="0: always the same answer")
    repeat_penalty: float = Field(
        default=1.05, ge=1.0, le=2.0, description="above 1: repeated tokens become less likely"
    )
    seed: int = Field(default=0, ge=0, description="seed of the sampler")


class AnswerSettings(_Section):
    """What may be shown."""

    quote_only: bool = Field(default=False, description="answer by verbatim quotation alone")
    abstain_below: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="abstain below this answerability; None: the point fitted with the reader",
    )
    retries: int = Field(
        default=1, ge=0, le=3, description="new attempts at an unsupported sentence"
    )


class Settings(BaseSettings):
    """All settings, by section."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    corpus: CorpusSettings = CorpusSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    generation: GenerationSettings = GenerationSettings()
    answer: AnswerSettings = AnswerSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; dotenv and secret files are not read."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, find_config())


def find_config() -> Path | None:
    """Return the configuration file in force, or None.

    Raises:
        SettingsError: `ASKPAPERS_CONFIG` names a file that does not exist.
    """
    named = os.environ.get("ASKPAPERS_CONFIG", "").strip()
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(
                f"ASKPAPERS_CONFIG names {named!r}, which is not a file.",
                hint="unset ASKPAPERS_CONFIG",
            )
        return path
    path = Path("askpapers.toml")
    return path if path.is_file() else None


def load_settings(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read settings from all sources; `overrides` is {section: {field: value}}.

    Raises:
        SettingsError: an unknown name, a malformed file or a value out of bounds.
    """
    _check_environment()
    try:
        return Settings(**{k: dict(v) for k, v in (overrides or {}).items()})  # type: ignore[arg-type]
    except ValidationError as exc:
        first = exc.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsError(f"The setting {name!r} is wrong: {first['msg']}.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"The file {str(find_config())!r} is not valid TOML: {exc}.") from exc


def parse_override(text: str) -> tuple[str, str, str]:
    """Split `section.field=value` into its three parts.

    Raises:
        SettingsError: the text has another form or names no setting.
    """
    match = re.fullmatch(r"([a-z_]+)\.([a-z_]+)=(.*)", text.strip())
    if match is None:
        raise SettingsError(f"A setting is given as section.field=value, not {text!r}.")
    section, name, value = match.groups()
    if name not in _fields_of(section):
        raise SettingsError(f"There is no setting {section}.{name}.")
    return section, name, value


def describe_settings(settings: Settings) -> list[dict[str, Any]]:
    """List every setting: name, value, default, environment variable, description."""
    rows = []
    for section in Settings.model_fields:
        table = getattr(settings, section)
        for name, field in type(table).model_fields.items():
            rows.append(
                {
                    "name": f"{section}.{name}",
                    "value": getattr(table, name),
                    "default": field.default,
                    "environment": f"{_PREFIX}{section.upper()}__{name.upper()}",
                    "description": field.description or "",
                }
            )
    return rows


def _fields_of(section: str) -> Mapping[str, Any]:
    field = Settings.model_fields.get(section)
    annotation = field.annotation if field else None
    return annotation.model_fields if isinstance(annotation, type) else {}  # type: ignore[union-attr]


def _check_environment() -> None:
    """pydantic-settings ignores unknown top-level variables in silence; a typo must not pass.

    Raises:
        SettingsError: an `ASKPAPERS_…` variable names no setting.
    """
    for name in os.environ:
        if not name.startswith(_PREFIX) or name in _RESERVED:
            continue
        section, _, field = name.removeprefix(_PREFIX).lower().partition("__")
        if field not in _fields_of(section):
            raise SettingsError(f"The environment variable {name!r} names no setting.")
