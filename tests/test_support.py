"""The guard, the numbers of the regression, and the judges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askpapers.errors import ResourceError
from askpapers.models import get_manifest
from askpapers.resources import find_folder
from askpapers.support import (
    HARD_KINDS,
    LexicalJudge,
    Regression,
    StackedJudge,
    WordWeights,
    check_guard,
)
from askpapers.support.evidence_window import as_sentences, count_words, select_window
from askpapers.support.features import (
    LEXICAL_FEATURES,
    NETWORK_FEATURES,
    find_features,
    network_features,
)
from askpapers.support.opposites import OPPOSITES, inflect
from askpapers.support.parsed import parse_text
from askpapers.support.placement import find_misplacement
from askpapers.support.quantities import find_quantities
from askpapers.support.wording import (
    clean,
    find_names,
    split_sentences,
    split_words,
    stem,
)

EVIDENCE = (
    "Our method reduces memory by 2.1 GB on CIFAR-10, does not need labels, and outperforms "
    "BYOL by 5 to 7% with three datasets."
)


def kinds(claim, evidence=EVIDENCE, **options):
    return {finding.kind for finding in check_guard(claim, [evidence], **options)}


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        ("Memory is reduced by 21 GB.", "number"),
        ("Memory is reduced by 2.1 MB.", "unit"),
        ("Memory is reduced by 2.1%.", "unit"),
        ("Memory is increased by 2.1 GB.", "direction"),
        ("The method needs labels.", "negation"),
        ("The method does not outperform BYOL.", "negation"),
        ("It underperforms BYOL.", "direction"),
        ("It was tested with four datasets.", "number"),
        ("It was tested on ImageNet.", "entity"),
        ("It outperforms SimCLR.", "entity"),
        ("It outperforms BYOL by 6%.", "number"),
    ],
)
def test_guard_finds(claim, kind):
    assert kind in kinds(claim)


@pytest.mark.parametrize(
    "claim",
    [
        "Memory is reduced by 2.1 GB.",
        "The method lowers memory on CIFAR10.",
        "Labels are not needed.",
        "No labels are needed.",
        "It works without labels.",
        "It beats BYOL by 5% to 7%.",
        "It outperforms BYOL by 7 percent with 3 datasets.",
        "Yes: it outperforms BYOL.",
    ],
)
def test_guard_lets_paraphrases_pass(claim):
    assert not kinds(claim) & HARD_KINDS


def test_context_excuses_names_only():
    assert kinds("SimSiam reduces memory by 9 GB.", context=["SimSiam at 9 GB"]) == {"number"}


def test_numbers_are_counted_with_their_things():
    evidence = "We use 6 public datasets and 3 industrial datasets."
    assert kinds("It uses 3 public datasets and 6 industrial datasets.", evidence) == {"number"}
    assert kinds("It uses 6 public datasets.", evidence) == set()


def test_negation_elsewhere_does_not_excuse():
    evidence = "It does not use images. It trains on text."
    assert "negation" in kinds("It does not train on text.", evidence)


def test_factor_and_share_are_the_same_number():
    assert "number" not in kinds("It halves the cost.", "The cost falls by 50%.")
    assert "number" not in kinds("It is twice as fast.", "It is 2x as fast.")


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_guard_finds_nothing_in_a_copy(text):
    assert not {f.kind for f in check_guard(text, [text])} & {"number", "unit", "direction"}


@given(st.text(max_size=120), st.lists(st.text(max_size=120), max_size=3))
@settings(max_examples=60)
def test_features_are_finite_on_anything(claim, evidence):
    weights = WordWeights({}, 3.0)
    sentences = as_sentences(evidence)
    numbers = find_features(claim, sentences, weights, check_guard(claim, evidence))
    assert len(numbers) == len(LEXICAL_FEATURES)
    assert all(math.isfinite(number) for number in numbers)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,000 items and 2.5 s", [("1000", ""), ("2.5", "s")]),
        ("twenty-five million ms", [("25000000", "ms")]),
        ("7B parameters", [("7000000000", "parameter")]),
        ("5 to 7%", [("5", "%"), ("7", "%")]),
        ("CIFAR-10 and 3D and GPT-4", []),
        ("880\\% and 10$\\times$", [("880", "%"), ("10", "x")]),
        ("one of them, zero-shot", []),
        ("-3 degrees", [("-3", "degree")]),
    ],
)
def test_quantities(text, values):
    found = [(format(q.value, "f"), q.unit) for q in find_quantities(clean(text))]
    assert found == values


def test_names():
    text = "BERT beats ResNet-50 on the Penn corpus in 12 ms with 7B weights. This is 3D."
    assert find_names(text) == ("BERT", "ResNet-50", "Penn", "3D")


def test_stems_join_forms():
    assert len({stem(word) for word in ("train", "trains", "trained", "training")}) == 1
    assert len({stem(word) for word in ("optimize", "optimized", "optimization")}) == 1


def test_sentences_keep_abbreviations_whole():
    text = "We follow Liu et al. They did it, e.g. Twice. Then 2.5 came."
    assert split_sentences(text)[-1] == "Then 2.5 came."
    assert "et al. They" in split_sentences(text)[0]


def test_opposites_point_both_ways():
    assert all(word in OPPOSITES[other] for word in OPPOSITES for other in OPPOSITES[word])
    assert inflect("rely") == ("rely", "relies", "relied", "relying")
    assert inflect("cut") == ("cut", "cuts", "cut", "cutting")


def test_marks_are_no_words():
    assert [word.lower for word in split_words(clean("It isn't so [1, 2]."))] == [
        "it", "is", "not", "so",
    ]  # fmt: skip


def test_misplaced_names_are_told_from_placed_ones():
    evidence = [parse_text("The encoder BERT reads questions and the decoder GPT writes answers.")]
    right = parse_text("The encoder BERT reads questions.")
    wrong = parse_text("The encoder GPT reads questions.")
    assert find_misplacement(right, evidence) == 0
    assert find_misplacement(wrong, evidence) >= 1


def test_window_keeps_what_the_claim_says():
    sentences = [f"Filler sentence number {n} about weather and soup." for n in range(60)]
    sentences[41] = "The zebra paradox was proved by Noether."
    chosen = select_window("Noether proved the zebra paradox.", sentences, WordWeights({}, 5.0))
    assert sentences[41] in chosen
    assert sum(len(sentence.split()) for sentence in chosen) < 170
    assert chosen == [sentence for sentence in sentences if sentence in chosen]


def test_short_evidence_is_read_whole():
    assert select_window("a", ["b c.", "d."], WordWeights({}, 5.0)) == ["b c.", "d."]


def test_word_weights_round_trip(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(count_words(["common rare", "common", "common", "common"], size=9))
    weights = WordWeights.load(path)
    assert weights[stem("common")] < weights[stem("rare")] < weights["neverseen"]


class ScriptedEncoder:
    """Gives the logits it was told to, one row a pair."""

    def __init__(self, rows):
        self.rows = list(rows)
        self.seen = []

    def score(self, pairs):
        self.seen += pairs
        return np.array([self.rows.pop(0) for _ in pairs], dtype=np.float32).reshape(-1, 5)


def regression(**coefficients):
    return Regression.parse(
        {"coefficients": coefficients, "intercept": 0.0, "supported_from": 0.6,
         "partial_from": 0.3}
    )  # fmt: skip


def test_regression_by_hand():
    made = regression(coverage=2.0, margin=-1.0)
    assert made.apply({"coverage": 1.0, "margin": 1.0}) == pytest.approx(1 / (1 + math.exp(-1)))
    assert [made.decide(value) for value in (0.6, 0.59, 0.3, 0.29)] == [
        "supported", "partial", "partial", "unsupported",
    ]  # fmt: skip


def test_regression_refuses_unknown_numbers():
    with pytest.raises(ResourceError, match="unknown"):
        regression(sympathy=1.0)
    with pytest.raises(ResourceError):
        Regression.parse({"intercept": 1.0})


def test_network_numbers_by_hand():
    row = [2.0, 0.0, 0.0, -3.0, 0.4]
    margin = 2 - math.log(2)
    assert network_features(row, 0.5) == pytest.approx(
        [margin, 0.0, -3.0, math.tanh(margin / 2), margin / 2, 0.4]
    )
    assert len(NETWORK_FEATURES) == 6


def test_stacked_judge_follows_the_network_and_keeps_order():
    encoder = ScriptedEncoder([[5, -5, -5, -9, 0], [-5, 5, -5, 9, 0]])
    judge = StackedJudge(regression(margin=1.0), WordWeights({}, 5.0), encoder)
    first, second = judge.judge([("A claim.", ["Proof."]), ("Another.", ["Proof one.", "Two."])])
    assert (first.verdict, second.verdict) == ("supported", "unsupported")
    assert encoder.seen == [("A claim.", "Proof."), ("Another.", "Proof one. Two.")]


def test_guarded_judgements_say_so():
    judge = LexicalJudge(regression(coverage=9.0), WordWeights({}, 5.0))
    good, bad = judge.judge(
        [("It needs 3 GB.", ["It needs 3 GB."]), ("It needs 4 GB.", ["It needs 3 GB."])]
    )
    assert not good.is_guarded
    assert bad.is_guarded


def test_guard_discounts_what_is_otherwise_covered():
    judge = LexicalJudge(regression(coverage=9.0), WordWeights({}, 5.0))
    claim = "The model needs 4 GB of memory on each machine."
    short, long = judge.judge(
        [
            (claim, ["The model needs 3 GB of memory on each machine."]),
            (claim, ["The model needs 3 GB of memory on each machine.", *["It is so."] * 5]),
        ]
    )
    assert short.support < 0.25 < long.support


@pytest.fixture(scope="module")
def lexical():
    manifest = get_manifest("judge")
    return LexicalJudge.load(manifest.parameters, find_folder("models") / "judge-words.txt")


def test_shipped_lexical_judge_tells_changes_from_truth(lexical):
    truth, changed, other = lexical.judge(
        [
            ("The method reduces memory by 2.1 GB on CIFAR-10.", [EVIDENCE]),
            ("The method reduces memory by 21 GB on CIFAR-10.", [EVIDENCE]),
            ("Bananas ripen faster in paper bags.", [EVIDENCE]),
        ]
    )
    assert truth.verdict == "supported"
    assert changed.verdict != "supported"
    assert other.verdict == "unsupported"


def test_empty_evidence_supports_nothing(lexical):
    (found,) = lexical.judge([("The method reduces memory.", [])])
    assert found.verdict == "unsupported"
