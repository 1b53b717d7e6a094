"""`askpapers doctor`: is everything here, whole, and really used?"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from askpapers import __version__
from askpapers.errors import AskPapersError, StorageFailed
from askpapers.generation import Message, Sampling, cpu_flags, is_installed
from askpapers.models import get_adapter, get_file, get_manifest
from askpapers.resources import make_folder

if TYPE_CHECKING:
    from askpapers.app import App

_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "chromadb",
    "bm25s",
    "tiktoken",
    "pydantic",
    "llama-cpp-python",
    "gradio",
)
_WANTED_FLAGS = ("avx2", "avx512_bf16", "amx_tile")
_GPU_BUILD = (
    'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir llama-cpp-python'
)
_MIN_FREE_BYTES = 1 << 30
_SPEED_TOKENS = 48
_PROBE_QUESTION = "What is proposed here?"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `mend` is the command that mends a failure."""

    name: str
    state: Literal["ok", "note", "fail"]
    detail: str
    mend: str = ""
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the check as plain values."""
        return asdict(self)


def examine(app: App) -> list[Check]:
    """Look at everything, in order; a check that raises is a failed check, the rest go on."""
    checks: list[Check] = []
    examiners: list[Callable[[App], Iterator[Check]]] = [
        _check_python,
        _check_home,
        _check_models,
        _check_writer,
        _check_index,
        _check_offline,
        _check_answer,
    ]
    for examiner in examiners:
        try:
            checks.extend(examiner(app))
        except AskPapersError as exc:
            name = examiner.__name__.removeprefix("_check_")
            checks.append(Check(name, "fail", exc.message, exc.hint, exc.exit_code))
    return checks


def _check_python(app: App) -> Iterator[Check]:
    del app
    yield Check("askpapers", "ok", f"{__version__} on Python {sys.version.split()[0]}")
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    yield Check("packages", "ok", ", ".join(versions))
    flags = [flag for flag in _WANTED_FLAGS if flag in cpu_flags()]
    yield Check(
        "processor",
        "ok",
        f"{os.cpu_count()} cores, {platform.machine()}, {', '.join(flags) or 'plain'}",
    )


def _check_home(app: App) -> Iterator[Check]:
    if (app.home / "current.json").is_file() and not os.access(app.home, os.W_OK):
        detail = f"{app.home} can be read, not written: it answers, and nothing can be added"
        yield Check("home", "note", detail, StorageFailed.hint)
        return
    home = make_folder(app.home)
    free = shutil.disk_usage(home).free
    detail = f"{home}, {free / 1e9:.1f} GB free"
    if free < _MIN_FREE_BYTES:
        yield Check("home", "fail", detail, "free some space or set ASKPAPERS_HOME", 6)
    else:
        yield Check("home", "ok", detail)


def _check_models(app: App) -> Iterator[Check]:
    wanted = [app.settings.embedding.model, "reader", "judge"]
    if app.likelihood is not None:
        wanted += ["likelihood", "second-reader"]
    if not app.settings.answer.quote_only:
        wanted.append(app.settings.generation.model)
    for name in wanted:
        try:
            manifest = get_manifest(name)
            file = get_file(manifest, home=app.home)
            adapter = get_adapter(manifest, home=app.home)
        except AskPapersError as exc:
            yield Check(f"model {name}", "fail", exc.message, exc.hint, exc.exit_code)
            continue
        detail = f"{file.path}, sha256 {file.digest[:12]}… verified"
        if adapter is not None:
            detail += f", {adapter.path.name} {adapter.digest[:12]}… verified"
        yield Check(f"model {name}", "ok", detail)


def _check_writer(app: App) -> Iterator[Check]:
    """Open the writing model, write a few tokens, and see whether a GPU is built in and used."""
    if not is_installed():
        yield Check(
            "writing",
            "note",
            "llama-cpp-python is not installed: answers are quotations",
            "pip install 'askpapers[write]' (needs a C++ compiler)",
        )
        return
    writer = app.writer()
    if writer is None:
        yield Check("writing", "note", "answers are quotations by the settings")
        return
    speed = measure_speed(writer.generator)
    yield Check("writing", "ok", f"{writer.generator.name} writes {speed:.0f} tokens per second")
    offload = app.offload()
    if not offload.supported:
        yield Check(
            "gpu",
            "note",
            "this build of llama.cpp has no GPU support; the processor does the work",
            _GPU_BUILD,
        )
        return
    slow = measure_speed(app.open_generator(gpu_layers=0))
    layers = "all" if offload.layers_requested < 0 else str(offload.layers_requested)
    state: Literal["ok", "note"] = "ok" if speed > slow else "note"
    yield Check(
        "gpu",
        state,
        f"{layers} layers offloaded: {speed:.0f} tokens per second, {slow:.0f} on the processor",
        "" if state == "ok" else "askpapers --set generation.gpu_layers=0 ask",
    )


def _check_index(app: App) -> Iterator[Check]:
    app.open_index()  # built now where there is none: the check of an answer needs it anyway
    findings = app.verify_index()
    info = app.index_info()
    if findings:
        yield Check("index", "fail", "; ".join(findings), "askpapers index build --force", 4)
    else:
        yield Check("index", "ok", f"{info['papers']} papers, verified")


def _check_offline(app: App) -> Iterator[Check]:
    """Everything an answer needs must be here already: no download is ever made by answering."""
    del app
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    yield Check(
        "offline", "ok", "answers need no network" + (" (and the Hub is off)" if offline else "")
    )


def _check_answer(app: App) -> Iterator[Check]:
    """Time one whole answer on this machine, models loaded."""
    app.answer(_PROBE_QUESTION)
    started = time.perf_counter()
    app.answer(_PROBE_QUESTION, abstain_below=0.0)
    yield Check(
        "answer", "ok", f"about {time.perf_counter() - started:.1f} s per answer, models loaded"
    )


def measure_speed(generator: Any) -> float:
    """Return tokens per second for a short text, the prompt's reading not counted."""
    prompt = generator.render([Message("user", "Count from one to fifty in words.")])
    sampling = Sampling(max_tokens=_SPEED_TOKENS)
    pieces = generator.write(prompt, grammar='root ::= [a-z ,]+ "."', sampling=sampling)
    next(pieces, None)
    started = time.perf_counter()
    written = sum(1 for _ in pieces)
    return written / max(time.perf_counter() - started, 1e-9)
