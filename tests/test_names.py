"""Names that no text mentions are found, and so are things that no text names."""

import pytest

from askpapers.names import find_unmentioned, find_unnamed


@pytest.mark.parametrize(
    ("question", "unmentioned"),
    [
        ("What does RITA reach on ImageNet?", ("ImageNet",)),
        ("How fast is RITA?", ()),
        ("What is the CBS of this?", ()),
        ("Does ResNet50 help GPT-4o?", ("ResNet50", "GPT-4o")),
        ("What does RITA reach on CIFAR-100, and on CIFAR-10?", ("CIFAR-100",)),
        ("Do ResNets help?", ()),
        ("what about imagenet?", ()),
        ("Is RITA 900X faster than a 30B model with 96K tokens?", ()),
        ("Does RITA work on GPS-like tracks?", ()),
        ("How good is it on Penn Treebank?", ("Penn Treebank",)),
        ("What is Critical Batch Size?", ()),
        ("Is it Group Attention?", ()),
        (
            "How does Critical Momentum Size do on the South Asian tongues?",
            ("Critical Momentum Size",),
        ),
        ("Direct Preference tuning: is it fast?", ()),
        ("Is it faster than a Kalman Smoother-like one?", ()),
        ("My GPU is small and our TPU is gone; is RITA fast?", ()),
    ],
)
def test_names_that_no_text_mentions_are_found(question, unmentioned):
    texts = ["RITA: Group Attention", "The critical batch size of a ResNet-18 grows on CIFAR-10."]
    assert find_unmentioned(question, texts) == unmentioned


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which datasets was Plover tried on?", "datasets"),
        ("On which speech corpora was it tried?", "corpora"),
        ("What are the names of the three bird datasets?", "datasets"),
        ("which language model was probed", "language model"),
        ("Which methods were compared?", None),
        ("Is there a list of which datasets were used?", None),
        ("How many datasets were used?", None),
    ],
)
def test_what_is_wanted_by_name_and_not_named_is_told(question: str, wanted: str | None) -> None:
    titles = ["Plover: Counting Birds"]
    silent = "Plover counts birds. We try it on three datasets. However, Plover is slow."
    assert find_unnamed(question, titles, [silent]) == wanted
    for named in ("We try it on Merlin.", "It reads bird-9.", "Such as: ornithoNet and two more."):
        assert find_unnamed(question, titles, [silent, named]) is None


@pytest.mark.parametrize(
    ("question", "abstract", "wanted"),
    [
        ("Who maintains PyTorch?", "We use PyTorch's tensors on CUDA.", "person"),
        ("who are the main authors of Plover?", "Plover counts birds on ImageNet.", "person"),
        ("Who built Plover?", "Plover, built by Merlin and colleagues, counts birds.", None),
        ("Who first released it?", "It was released by volunteers.", None),
        ("Who published the birds?", "We follow Merlin et al. in this.", None),
        ("Who gains from it?", "Plover counts birds.", None),
    ],
)
def test_who_made_something_is_told_by_an_abstract_that_names_somebody(
    question: str, abstract: str, wanted: str | None
) -> None:
    found = find_unnamed(question, ["Plover"], [abstract])
    assert (found is None) if wanted is None else (found is not None and found.startswith(wanted))
