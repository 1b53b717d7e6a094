"""A second reader: whether the best sentences of a paper state what is asked.

The first compares a question with whole abstracts, fast, and takes what is about the question for
what answers it. A language model that was trained to say whether the answer is stated reads the
few sentences that the first found (an answer verifier: Hu et al. 2019, "Read + Verify: Machine
Reading Comprehension with Unanswerable Questions").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from askpapers.evidence import LIMIT
from askpapers.likelihood import Deferred, LanguageModel
from askpapers.models import ModelFile
from askpapers.prompts import Prompt, load_prompt

SENTENCES = 3
"""Of an abstract, beside its title, in a passage: as many in training as in the search."""
YES, NO = " yes", " no"
"""What the model goes on with, each one token."""


class SecondReader(Protocol):
    """Says whether a passage states what is asked."""

    def read(self, question: str, passage: str) -> float:
        """Return the log-odds that the passage states what is asked."""
        ...


def make_request(question: str, passage: str, prompt: Prompt) -> str:
    """Return what the model reads before it says yes or no."""
    return prompt.render(passage=" ".join(passage.split()), question=" ".join(question.split()))


class ModelSecondReader:
    """The second reader by a language model, opened at the first question."""

    def __init__(self, model: Deferred[LanguageModel], prompt: Prompt) -> None:
        self._model = model
        self._prompt = prompt

    @classmethod
    def load(
        cls, base: Deferred[LanguageModel], find_weights: Callable[[], ModelFile]
    ) -> ModelSecondReader:
        """Return the one trained here: an adapter over the model of the question's likelihood.

        `find_weights` returns the adapter's file, verified; it is called when it is opened.
        """
        model = Deferred(lambda: base.get().branch(find_weights().path))
        return cls(model, load_prompt("second-reader"))

    def open_soon(self) -> None:
        """Open the model beside what is done meanwhile."""
        self._model.open_soon()

    def read(self, question: str, passage: str) -> float:
        """See `SecondReader.read`.

        Raises:
            ModelMissing, ModelDamaged: a file is not here or not whole.
        """
        request = make_request(question, passage, self._prompt)
        (nats,) = self._model.get().measure([(request, YES)])
        against = math.log(max(-math.expm1(nats), math.exp(-LIMIT)))
        return max(-LIMIT, min(LIMIT, nats - against))
