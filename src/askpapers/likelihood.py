"""How likely a passage makes the question: a second opinion on which paper is asked about.

The reader compares a question with a passage word by word, and knows few words; a language model
has read far more. It is asked the other way round: P(question | passage), the query likelihood
of Ponte & Croft 1998 ("A Language Modeling Approach to Information Retrieval"), by a language
model as in Sachan et al. 2022 ("Improving Passage Retrieval with Zero-Shot Question Generation").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Generic, Protocol, TypeVar

from askpapers.encoders.llama import Llama
from askpapers.errors import AskPapersError
from askpapers.models import ModelFile
from askpapers.prompts import Prompt, load_prompt
from askpapers.tokens import load_encoding

SENTENCES = 2
"""Of an abstract, beside its title, in a passage: as many in training as in the search."""


class LanguageModel(Protocol):
    """Measures texts; `encoders.llama.Llama` is the real one."""

    def measure(self, texts: Sequence[tuple[str, str]]) -> list[float]:
        """Return log P(second | first) in nats of each pair."""
        ...

    def branch(self, adapter: Path) -> LanguageModel:
        """Return this model with one more adapter."""
        ...


class Likelihood(Protocol):
    """Measures how likely passages make a question."""

    def measure(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return log P(question | passage) in nats, the sum over its tokens, of each passage."""
        ...


class Measured:
    """The likelihoods of one question; a passage that comes again is not measured again."""

    def __init__(self, likelihood: Likelihood, question: str) -> None:
        self._likelihood = likelihood
        self._question = question
        self._nats: dict[str, float] = {}

    def of(self, passages: Sequence[str]) -> list[float]:
        """Return log P(question | passage) in nats of each passage."""
        new = [p for p in dict.fromkeys(passages) if p not in self._nats]
        if new:
            nats = self._likelihood.measure(self._question, new)
            self._nats.update(zip(new, nats, strict=True))
        return [self._nats[p] for p in passages]


def make_passage(title: str, sentences: Sequence[str]) -> str:
    """Return the passage that a paper is measured by: its title and the sentences given."""
    return " ".join([f"{title}.", *sentences])


def show_best(
    title: str, sentences: Sequence[str], worth: Sequence[float], count: int = SENTENCES
) -> str:
    """Return the passage of a paper's title and its `count` sentences of most worth, in order."""
    best = sorted(range(len(sentences)), key=lambda i: -worth[i])[:count]
    return make_passage(title, [sentences[i] for i in sorted(best)])


NO_PASSAGE = make_passage("A paper", [])
"""What says nothing: a question is likelier from any passage that has to do with it."""


def make_exchange(question: str, passage: str, prompt: Prompt) -> tuple[str, str]:
    """Return what the model reads and what it is measured on; together they are the text."""
    return prompt.render(passage=" ".join(passage.split())), f" {' '.join(question.split())}"


T = TypeVar("T")


class Deferred(Generic[T]):
    """What is opened at its first use, once for all threads."""

    # From Python 3.12 on, cached_property would open it once a thread.

    def __init__(self, open_it: Callable[[], T]) -> None:
        self._open = open_it
        self._opening = Lock()
        self._opened: T | None = None

    def get(self) -> T:
        """Return it, opened."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def open_soon(self) -> None:
        """Open it beside what is done meanwhile; what stands against it is told where it is got."""

        def try_to_open() -> None:
            with suppress(AskPapersError):
                self.get()

        # No daemon: one that reads weights while the interpreter ends would crash it.
        Thread(target=try_to_open).start()


class ModelLikelihood:
    """The likelihood by a language model, opened at the first question that needs it."""

    def __init__(self, model: Deferred[LanguageModel], prompt: Prompt) -> None:
        self.model = model
        self._prompt = prompt

    @classmethod
    def load(
        cls, find_files: Callable[[], tuple[ModelFile, ModelFile]], *, home: Path
    ) -> ModelLikelihood:
        """Return the one trained here: an adapter's weights over a GGUF.

        `find_files` returns both, verified; it is called when the model is opened.
        """

        def open_model() -> Llama:
            weights, base = find_files()
            encoding = load_encoding(base.path, digest=base.digest, cache=home / "vocabularies")
            assert encoding is not None, "the vocabulary of the base model is one that is known"
            return Llama(base.path, encoding.encode_ordinary, adapter=weights.path)

        return cls(Deferred(open_model), load_prompt("likelihood"))

    def measure(self, question: str, passages: Sequence[str]) -> list[float]:
        """See `Likelihood.measure`.

        Raises:
            ModelMissing, ModelDamaged: a file is not here or not whole.
        """
        exchanges = [make_exchange(question, p, self._prompt) for p in passages]
        return self.model.get().measure(exchanges)
