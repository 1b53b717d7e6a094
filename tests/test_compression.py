"""What may be left out of a sentence, and what never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.compression import find_compressions


def wordings(sentence, **context):
    return list(find_compressions(sentence, **context).wordings())


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("It takes 77 GPU hours.", ["It takes 77 GPU hours"]),
        ("Moreover, it takes 77 hours.", ["It takes 77 hours"]),
        ("In this paper we study k-means.", ["The authors study k-means"]),
        ("In this work, we propose a loss.", ["The authors propose a loss"]),
        ("We also prove a bound.", ["The authors prove a bound"]),
        ("It also takes 77 hours.", ["It takes 77 hours"]),
        ("It is not only fast but also small.", ["It is not only fast but also small"]),
        ("(3). Small nets win.", ["Small nets win"]),
        ("This paper compares nets.", ["The paper compares nets"]),
        ("The aim of this work is a proof.", ["The aim of the work is a proof"]),
        ("What makes this work is unknown.", ["What makes this work is unknown"]),
        ("This paper shows that nets win.", ["The paper shows that nets win", "Nets win"]),
        ("We prove our bound.", ["The authors prove their bound"]),
        ("We prove that their bound is loose.", ["We prove that their bound is loose"]),
        ("We gain by {\\em reducing} size.", ["The authors gain by reducing size"]),
        ("It is slow; (ii) it is large.", ["It is slow; (ii) it is large"]),
        ("As an example, it takes 77 hours.", ["It takes 77 hours"]),
        ("Finally, low-rank nets win.", ["Low-rank nets win"]),
        ("Finally, k-means wins.", ["k-means wins"]),
        ("Finally, tanh wins.", ["Tanh wins"]),
        (
            "Our loss lets us train what we call nets.",
            ["The authors' loss lets them train what they call nets"],
        ),
        ("It deepens our understanding of nets.", ["It deepens our understanding of nets"]),
        ("To our knowledge, it is new.", ["To the authors' knowledge, it is new"]),
        ("We write programs and run them.", ["The authors write programs and run them"]),
        ("It lets us see them.", ["It lets us see them"]),
        (
            "We choose columns by their alignment with our loss.",
            ["The authors choose columns by their alignment with the authors' loss"],
        ),
        ("We replicate their first procedure.", ["We replicate their first procedure"]),
        ("We test trees by their method.", ["We test trees by their method"]),
        ("By their size, we sort trees.", ["By their size, we sort trees"]),
        ("We find that they win.", ["We find that they win"]),
        ("We set them beside our nets.", ["The authors set them beside the authors' nets"]),
        ("Recently, nets have grown.", ["Nets have grown"]),
        ("Can we learn without labels?", ["Can we learn without labels?"]),
        ("As humans, we err.", ["As humans, we err"]),
        ("We may err.", ["We may err"]),
        (
            "We show that depth helps.",
            ["The authors show that depth helps", "Depth helps"],
        ),
        (
            "We show that our net can be trained and that we can stop.",
            [
                "The authors show that their net can be trained and that the authors can stop",
                "The authors' net can be trained and that the authors can stop",
            ],
        ),
        (
            "We show that we can stop.",
            ["The authors show that they can stop", "The authors can stop"],
        ),
        ("We show that a net by us wins.", ["The authors show that a net by them wins"]),
        (
            "Experiments show that our net wins and confirm the theory.",
            ["Experiments show that the authors' net wins and confirm the theory"],
        ),
        ("We first sort the data.", ["The authors first sort the data"]),
        (
            "Results show that they win.",  # not the authors
            ["Results show that they win", "They win"],
        ),
        (
            "We train nets and say what we see.",  # not the nets
            ["The authors train nets and say what the authors see"],
        ),
        (
            "Extensive experiments demonstrate that depth helps.",
            ["Extensive experiments demonstrate that depth helps", "Depth helps"],
        ),
        ("Our results indicate that nets win.", ["The authors' results indicate that nets win"]),
        ("Prior work has shown that depth helps.", ["Prior work has shown that depth helps"]),
        (
            "These results suggest that depth helps.",
            ["These results suggest that depth helps"],
        ),
        (
            "These results show that depth helps.",
            ["These results show that depth helps", "Depth helps"],
        ),
        (
            "The key observation is that depth helps.",
            ["The key observation is that depth helps", "Depth helps"],
        ),
        (
            "While rewards are sparse, the agent learns from pixels.",
            [
                "While rewards are sparse, the agent learns from pixels",
                "The agent learns from pixels",
            ],
        ),
        (
            "While labels are costly, the nets need such labels.",
            ["While labels are costly, the nets need such labels"],
        ),
        (
            "Unlike the other nets, the net needs less time.",  # less than what?
            ["Unlike the other nets, the net needs less time"],
        ),
        (
            "Unlike the other nets, the net needs less time than trees.",
            [
                "Unlike the other nets, the net needs less time than trees",
                "The net needs less time than trees",
            ],
        ),
        (
            "To avoid errors in the tree, the net is pruned.",
            ["To avoid errors in the tree, the net is pruned"],
        ),
        (
            "Large language models (LLMs) are costly.",
            ["Large language models (LLMs) are costly", "Large language models are costly"],
        ),
        (
            "Large language models (LLMs) are costly, and LLMs grow.",
            ["Large language models (LLMs) are costly, and LLMs grow"],
        ),
        (
            "The method is trained on eight small GPUs, achieving 80% accuracy.",
            [
                "The method is trained on eight small GPUs, achieving 80% accuracy",
                "The method is trained on eight small GPUs",
            ],
        ),
        (
            "The net trains in 77 hours, reaching 99% on A, 7% on B, and 2% on C, which is new.",
            [
                "The net trains in 77 hours, reaching 99% on A, 7% on B, and 2% on C, which is new",
                "The net trains in 77 hours, reaching 99% on A, 7% on B, and 2% on C",
                "The net trains in 77 hours",
            ],
        ),
        (
            "The proof is short, and it needs no labels; the code is public.",
            [
                "The proof is short, and it needs no labels; the code is public",
                "The proof is short, and it needs no labels",
            ],
        ),
    ],
)
def test_what_may_be_left_out(sentence, expected):
    assert wordings(sentence) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "Deep ResNets reach 82% (CIFAR-10) and 32% (ImageNet, top-5) accuracy.",
        "Weights with small (resp. large) variance give a rich regime.",
        "If labels are clean, the method converges.",
        "The method, which uses no labels and little memory.",
        "While it does not converge in general, the method is often fast.",
        "The method is fast on all eight small tasks, except where rewards are sparse.",
        "They conjecture that depth helps.",
        "Without pretraining, the accuracy falls to 3%.",
    ],
)
def test_conditions_and_restrictions_are_never_left_out(sentence):
    assert wordings(sentence) == [sentence.removesuffix(".")]


def test_nothing_that_the_question_asks_about_is_left_out():
    sentence = "The method is trained on eight small GPUs, achieving 80% accuracy."
    assert len(wordings(sentence, question="What is it trained on?")) == 2
    assert len(wordings(sentence, question="What accuracy does it have?")) == 1


def test_our_method_may_go_by_its_name():
    sentence = "Our method can break all guards."
    assert wordings(sentence, title="Mousetrap: Fooling Models") == [
        "The authors' method can break all guards",
        "Mousetrap can break all guards",
    ]
    assert wordings(sentence, title="On the Limits: A Survey") == [
        "The authors' method can break all guards"
    ]
    called = "Our method, called Mousetrap, can break all guards."
    assert len(wordings(called, title="Mousetrap: Fooling Models")) == 1


def test_the_wordings_of_a_sentence_full_of_brackets_are_bounded():
    sentence = " and ".join(f"method {name} (AB{name})" for name in "CDEFGHIJKLMNOP")
    found = wordings(f"{sentence} differ.")
    assert 16 <= len(found) <= 48
    assert f"{sentence} differ".capitalize() == found[0].capitalize()


def test_an_opener_stays_behind_the_sentence_that_it_follows():
    sentence = "However, it is slow."
    assert wordings(sentence) == ["It is slow"]
    assert wordings(sentence, follows=True) == ["However, it is slow"]
    assert wordings("Moreover, it is slow.", follows=True) == ["It is slow"]


def test_what_is_spoken_of_later_stays():
    sentence = "Large language models (LLMs) are costly."
    assert wordings(sentence, later="An LLM is a model.") == [sentence.removesuffix(".")]
    assert len(wordings(sentence, later="All is well.")) == 2
    sentence = "The method is trained on eight small GPUs, achieving 80% accuracy."
    assert wordings(sentence, later="This accuracy is best.") == [sentence.removesuffix(".")]


@given(st.text(max_size=200), st.text(max_size=60))
def test_every_text_has_its_longest_wording(sentence, question):
    found = find_compressions(sentence, question=question)
    longest = "".join(max(part.choices, key=len) for part in found.parts)
    assert longest in set(found.wordings())
