"""The language model that writes: llama.cpp through llama-cpp-python, in this process.

One model, one lock: `Llama` must not be used by two threads at once, so a second writer waits
until the first is done or has closed its iterator.
"""

from __future__ import annotations

import codecs
import ctypes
import math
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from askpapers.errors import BackendMissing, GenerationFailed, ModelDamaged
from askpapers.models import ModelFile

_INSTALL_HINT = (
    "apt-get install g++ cmake (or your system's C++ compiler), then "
    "pip install 'askpapers[write]'; meanwhile: askpapers ask --quote-only"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; temperature 0 always takes the likeliest."""

    max_tokens: int
    temperature: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Offload:
    """What the llama.cpp build can do with a GPU, and how many layers are asked to be there."""

    supported: bool
    layers_requested: int


class Generator(Protocol):
    """Writes text after a rendered chat prompt, under a grammar."""

    name: str
    digest: str
    context_tokens: int
    control_tokens: frozenset[str]

    def render(self, messages: Sequence[Message], *, prefill: str = "") -> str:
        """Return the chat prompt as one string; `prefill` begins the model's own turn."""
        ...

    def count_tokens(self, rendered: str) -> int:
        """Return how many tokens `rendered` costs, exactly."""
        ...

    def write(self, rendered: str, *, grammar: str, sampling: Sampling) -> Iterator[str]:
        """Yield pieces of text until the grammar is complete or tokens run out."""
        ...

    def choose(
        self, rendered: str, candidates: Sequence[str], *, sampling: Sampling
    ) -> Iterator[str]:
        """Yield pieces of that one of `candidates` which the model would write."""
        ...


class LlamaCppGenerator:
    """A GGUF model opened by llama.cpp, with an optional LoRA adapter over it."""

    def __init__(
        self,
        file: ModelFile,
        *,
        adapter: ModelFile | None = None,
        gpu_layers: int = -1,
        threads: int = 0,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        """Open the model; takes from a fraction of a second to a minute, by its size.

        Args:
            file: the verified GGUF.
            adapter: a verified GGUF adapter trained for exactly that file.
            gpu_layers: layers to put on the GPU, -1 for all; without effect on a CPU build.
            threads: CPU threads, 0 for one per core that the process may use.
            count_tokens: exact counter for rendered prompts; None: llama.cpp's own tokenizer.

        Raises:
            BackendMissing: llama-cpp-python is not installed.
            ModelDamaged: llama.cpp cannot open the file.
        """
        llama_cpp = _import_llama_cpp()
        table = file.manifest.generator
        if table is None:
            raise ModelDamaged(f"The manifest of {file.manifest.name!r} has no [generator] table.")
        self.name = file.manifest.name
        self.digest = file.digest if adapter is None else f"{file.digest}+{adapter.digest}"
        # More threads than cores it may use (a container, taskset) wait for one another, spinning.
        cores = threads or len(os.sched_getaffinity(0))
        self.offload = Offload(bool(llama_cpp.llama_supports_gpu_offload()), gpu_layers)
        try:
            with _plain_weight_buffers():
                self._llama: Any = llama_cpp.Llama(
                    model_path=str(file.path),
                    n_ctx=table.context_tokens,
                    n_gpu_layers=gpu_layers,
                    n_threads=cores,
                    n_threads_batch=cores,
                    lora_path=str(adapter.path) if adapter else None,
                    seed=0,
                    verbose=False,
                )
        except (ValueError, RuntimeError, AssertionError) as exc:
            # llama.cpp says no more than "Failed to load model"; the file was checked before.
            raise ModelDamaged(
                f"llama.cpp cannot open {str(file.path)!r}: {exc}.",
                hint=f"askpapers models pull {self.name} --force",
            ) from exc
        self.context_tokens = int(self._llama.n_ctx())
        self.control_tokens = self._find_control_tokens(llama_cpp)
        self._format = _make_formatter(self._llama, table.chat_format)
        self._count = count_tokens or (lambda text: len(self._tokenize(text)))
        self._lock = threading.Lock()

    def render(self, messages: Sequence[Message], *, prefill: str = "") -> str:
        """Return the chat prompt by the model's own template; see `Generator.render`."""
        return self._format([{"role": m.role, "content": m.content} for m in messages]) + prefill

    def count_tokens(self, rendered: str) -> int:
        """Return how many tokens `rendered` costs, control tokens of the template included."""
        return self._count(rendered)

    def write(self, rendered: str, *, grammar: str, sampling: Sampling) -> Iterator[str]:
        """Yield pieces of text; closing the iterator stops the model at once.

        The key-value cache of the longest common prefix with the previous prompt is reused, so
        the fixed opening of the prompts is read once.

        Raises:
            GenerationFailed: the prompt does not fit, the grammar is malformed, or llama.cpp
                gave up.
        """
        llama_cpp = _import_llama_cpp()
        tokens = self._tokenize(rendered)
        self._check_room(len(tokens), sampling.max_tokens)
        with self._lock:
            try:
                with _ShortlistGrammar(llama_cpp, self._llama, grammar) as allowed:
                    stream = self._llama.create_completion(
                        tokens,
                        max_tokens=sampling.max_tokens,
                        temperature=sampling.temperature,
                        repeat_penalty=sampling.repeat_penalty,
                        seed=sampling.seed,
                        logits_processor=llama_cpp.LogitsProcessorList([allowed]),
                        stream=True,
                    )
                    for piece in stream:
                        yield piece["choices"][0]["text"]
            except (ValueError, RuntimeError) as exc:
                raise GenerationFailed(f"llama.cpp could not go on: {exc}.") from exc

    def choose(
        self, rendered: str, candidates: Sequence[str], *, sampling: Sampling
    ) -> Iterator[str]:
        """Yield pieces of the candidate that is likeliest, token by token, where they part.

        Only there is the model asked; what lies between is read in one batch, as a prompt is, so
        that a choice among wordings of a sentence takes a fraction of the time of writing one.

        Args:
            rendered: the prompt and what was written so far.
            candidates: at least one; the first to be complete ends it.
            sampling: temperature and seed; a candidate may be as long as fits.

        Raises:
            GenerationFailed: there is no room for the longest, or llama.cpp gave up.
        """
        tokens = self._tokenize(rendered)
        paths = [self._tokenize(text, special=False) for text in candidates]
        self._check_room(len(tokens), max(map(len, paths)))
        draw = random.Random(sampling.seed)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._lock:
            unread = self._keep_prefix(tokens)
            at = 0
            while all(len(path) > at for path in paths):
                branches = list(dict.fromkeys(path[at] for path in paths))
                if len(branches) > 1:
                    logits = self._read(unread)
                    branches, unread = [_pick(branches, logits, sampling.temperature, draw)], []
                (token,) = branches
                paths = [path for path in paths if path[at] == token]
                unread.append(token)
                at += 1
                text = decoder.decode(self._llama.detokenize([token], prev_tokens=tokens))
                if text:
                    yield text

    def _keep_prefix(self, tokens: Sequence[int]) -> list[int]:
        """Cut the key-value cache to what it shares with `tokens`; return what is left to read."""
        llama = self._llama
        shared = 0
        for known, token in zip(llama.input_ids[: llama.n_tokens], tokens[:-1], strict=False):
            if known != token:
                break
            shared += 1
        llama.n_tokens = shared  # `eval` drops what lies behind it
        return list(tokens[shared:])

    def _read(self, tokens: Sequence[int]) -> Any:
        """Read tokens behind the cached ones; return float32 logits of what comes next."""
        import numpy as np

        bindings = _import_llama_cpp()
        try:
            self._llama.eval(tokens)
        except (ValueError, RuntimeError) as exc:
            raise GenerationFailed(f"llama.cpp could not go on: {exc}.") from exc
        logits = bindings.llama_get_logits_ith(self._llama.ctx, -1)
        return np.ctypeslib.as_array(logits, shape=(self._llama.n_vocab(),))

    def _check_room(self, tokens: int, more: int) -> None:
        if tokens + more > self.context_tokens:
            raise GenerationFailed(
                f"A prompt of {tokens} tokens leaves no room for {more} more "
                f"in a context of {self.context_tokens}."
            )

    def _tokenize(self, rendered: str, *, special: bool = True) -> list[int]:
        # The template writes its own opening token where the model wants one.
        return list(self._llama.tokenize(rendered.encode(), add_bos=False, special=special))

    def _find_control_tokens(self, llama_cpp: Any) -> frozenset[str]:
        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        return frozenset(
            llama_cpp.llama_vocab_get_text(vocabulary, token).decode("utf-8", "replace")
            for token in range(self._llama.n_vocab())
            if llama_cpp.llama_vocab_is_control(vocabulary, token)
        )


class _ShortlistGrammar:
    """Holds the model to a grammar by asking it about the likeliest tokens only.

    llama.cpp's grammar sampler tests the whole vocabulary at every step, which took longer than
    the model itself (29 of 52 ms a token with 49,152 tokens on one core). The likeliest allowed
    token is the same; when none of the shortlist is allowed, all are tested.
    """

    _SHORTLIST = 64

    def __init__(self, llama_cpp: Any, llama: Any, grammar: str) -> None:
        vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
        self._llama_cpp = llama_cpp
        self._sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        if not self._sampler:
            raise ValueError("the grammar is malformed")
        self._read: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._llama_cpp.llama_sampler_free(self._sampler)

    def __call__(self, tokens: Any, logits: Any) -> Any:
        """Return `logits` (float32, by token) with minus infinity for what may not come next.

        Args:
            tokens: the prompt and what was written so far.
            logits: the model's, for the next token.
        """
        import numpy as np

        for token in tokens[self._read :] if self._read is not None else ():
            self._llama_cpp.llama_sampler_accept(self._sampler, int(token))
        self._read = len(tokens)
        size = min(self._SHORTLIST, len(logits))
        shortlist = np.argpartition(logits, -size)[-size:]
        allowed = self._keep_allowed(shortlist)
        if not allowed.size:
            allowed = self._keep_allowed(np.arange(len(logits)))
        held = np.full_like(logits, -np.inf)
        held[allowed] = logits[allowed]
        return held

    def _keep_allowed(self, candidates: Any) -> Any:
        """Return those of `candidates` (token numbers) that the grammar allows next."""
        import numpy as np

        bindings = self._llama_cpp
        data = (bindings.llama_token_data * len(candidates))(
            *((int(token), 0.0, 0.0) for token in candidates)
        )
        array = bindings.llama_token_data_array(data, len(candidates), -1, False)
        bindings.llama_sampler_apply(self._sampler, ctypes.byref(array))
        kept = [entry.id for entry in data if entry.logit == 0.0]
        return np.array(kept, dtype=np.int64)


def _pick(tokens: Sequence[int], logits: Any, temperature: float, draw: random.Random) -> int:
    """Return the likeliest of `tokens`, or draw one at a temperature above 0."""
    if temperature == 0.0:
        return max(tokens, key=lambda token: logits[token])
    top = max(logits[token] for token in tokens)
    weights = [math.exp((logits[token] - top) / temperature) for token in tokens]
    return draw.choices(tokens, weights)[0]


def is_installed() -> bool:
    """Tell whether llama-cpp-python is there, without importing it."""
    from importlib.util import find_spec

    return find_spec("llama_cpp") is not None


def _import_llama_cpp() -> Any:
    try:
        import llama_cpp
    except ImportError as exc:
        raise BackendMissing(
            "llama-cpp-python, which runs the writing model, is not installed.", hint=_INSTALL_HINT
        ) from exc
    return llama_cpp


@contextmanager
def _plain_weight_buffers() -> Iterator[None]:
    """Keep llama.cpp from repacking weights for AMX while a model is opened.

    On processors with AMX its repacked matrix product ends in a segmentation fault at the first
    token (llama.cpp issue 20824); `Llama` does not expose the switch, so its defaults are changed.
    """
    from llama_cpp import llama_cpp as bindings

    if "amx_tile" not in cpu_flags():
        yield
        return
    make_defaults = bindings.llama_model_default_params

    def defaults_without_repacking() -> Any:
        params = make_defaults()
        params.use_extra_bufts = False
        return params

    bindings.llama_model_default_params = defaults_without_repacking
    try:
        yield
    finally:
        bindings.llama_model_default_params = make_defaults


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags as Linux names them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:  # not Linux
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def _make_formatter(llama: Any, chat_format: str) -> Callable[[list[dict[str, str]]], str]:
    """Return the function that renders messages: the GGUF's template, or a named format."""
    from llama_cpp import llama_chat_format

    template = llama.metadata.get("tokenizer.chat_template")
    if chat_format == "gguf" and template:

        def text_of(token: int) -> str:
            return str(llama._model.token_get_text(token)) if token >= 0 else ""

        formatter: Any = llama_chat_format.Jinja2ChatFormatter(
            template, eos_token=text_of(llama.token_eos()), bos_token=text_of(llama.token_bos())
        )
    else:
        named = {
            "llama-3": llama_chat_format.format_llama3,
            "gemma": llama_chat_format.format_gemma,
        }
        formatter = named.get(chat_format, llama_chat_format.format_chatml)
    return lambda messages: str(formatter(messages=messages).prompt)
