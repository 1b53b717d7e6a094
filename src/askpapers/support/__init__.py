"""Does the evidence hold the claim: a deterministic guard and calibrated judges.

`check_guard` lists the numbers, units, negations, directions and names of a claim that its
evidence does not hold. `LexicalJudge` and `StackedJudge` give a verdict and a probability.
"""

from askpapers.support.evidence_window import WordWeights
from askpapers.support.guard import HARD_KINDS, check_guard
from askpapers.support.judges import (
    Judgement,
    LexicalJudge,
    PairEncoder,
    Regression,
    StackedJudge,
    SupportJudge,
)
from askpapers.support.parsed import GuardFinding

__all__ = [
    "HARD_KINDS",
    "GuardFinding",
    "Judgement",
    "LexicalJudge",
    "PairEncoder",
    "Regression",
    "StackedJudge",
    "SupportJudge",
    "WordWeights",
    "check_guard",
]
