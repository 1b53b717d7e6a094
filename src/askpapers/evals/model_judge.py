"""A judge that asks a general language model, a few times, and can answer nothing but a verdict.

The grammar leaves the model three words. The first vote is the likeliest word; the others are
drawn, each with its own seed, so that their agreement says how sure the model is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from askpapers.domain import Verdict
from askpapers.generation import Generator, Message, Sampling
from askpapers.prompts import Prompt, escape_control_tokens
from askpapers.support import Judgement, check_guard

GRAMMAR = 'root ::= "supported" | "partial" | "unsupported"'
VERDICTS: tuple[Verdict, ...] = ("unsupported", "partial", "supported")
_MAX_TOKENS = 8
_DRAWING_TEMPERATURE = 0.8


class ModelJudge:
    """Judges claims by the majority of several votes of one language model."""

    def __init__(
        self, generator: Generator, prompt: Prompt, *, votes: int = 3, seed: int = 0
    ) -> None:
        """Take the parts.

        Args:
            generator: Any model that can be opened.
            prompt: Declares `claim` and `evidence`.
            votes: How often each pair is judged; an odd number leaves fewer ties.
            seed: Of the first drawn vote.
        """
        if votes < 1:
            raise ValueError(f"a judge needs at least one vote, not {votes}")
        self.name = f"llm:{generator.name}"
        self._generator = generator
        self._prompt = prompt
        self._votes = votes
        self._seed = seed

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """One judgement per pair, in order.

        The support is the mean of the votes, a partial one counting half. A tie goes to the
        stricter verdict. The guard's findings are shown; they do not change the verdict.

        Raises:
            GenerationFailed: not even one evidence text fits the model's context.
        """
        return [self._judge_one(claim, evidence) for claim, evidence in pairs]

    def _judge_one(self, claim: str, evidence: Sequence[str]) -> Judgement:
        rendered = self._render(claim, evidence)
        counts = Counter(self._vote(rendered, number) for number in range(self._votes))
        best = max(counts.values())
        verdict = next(one for one in VERDICTS if counts[one] == best)
        support = (counts["supported"] + counts["partial"] / 2) / self._votes
        return Judgement(verdict, support, check_guard(claim, evidence))

    def _render(self, claim: str, evidence: Sequence[str]) -> str:
        """The prompt with as many evidence texts as fit, the first ones first."""
        clean = [
            " ".join(escape_control_tokens(text, self._generator.control_tokens).split())
            for text in (claim, *evidence)
        ]
        room = self._generator.context_tokens - _MAX_TOKENS
        for kept in range(len(evidence), 0, -1):
            text = self._prompt.render(claim=clean[0], evidence="\n".join(clean[1 : kept + 1]))
            rendered = self._generator.render([Message("user", text)])
            if kept == 1 or self._generator.count_tokens(rendered) <= room:
                return rendered
        return self._generator.render(
            [Message("user", self._prompt.render(claim=clean[0], evidence="(none)"))]
        )

    def _vote(self, rendered: str, number: int) -> Verdict:
        sampling = Sampling(
            max_tokens=_MAX_TOKENS,
            temperature=_DRAWING_TEMPERATURE if number else 0.0,
            seed=self._seed + number,
        )
        word = "".join(self._generator.write(rendered, grammar=GRAMMAR, sampling=sampling)).strip()
        # A model that is cut off inside a word has not said "supported".
        return next((one for one in VERDICTS if one == word), "unsupported")
