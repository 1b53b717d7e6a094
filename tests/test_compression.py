"""What counts as leaving words out, and what changes the meaning."""

import pytest

from askpapers.support.compression import is_compression

TITLE = "Mousetrap: Fooling Large Reasoning Models"
SOURCE = (
    "On benchmarks such as AdvBench and HarmBench, attacking Claude, our method can achieve "
    "success rates of 87.5% and 93.13% respectively."
)


@pytest.mark.parametrize(
    "claim",
    [
        SOURCE,
        "On AdvBench and HarmBench, Mousetrap achieves success rates of 87.5% and 93.13%.",
        "Success rates of 87.5% and 93.13% are obtained.",
        "Mousetrap attacks Claude with success rates of 87.5% and 93.13% respectively.",
    ],
)
def test_leaving_words_out_is_a_compression(claim):
    assert is_compression(claim, SOURCE, TITLE)


@pytest.mark.parametrize(
    "claim",
    [
        "On HarmBench and AdvBench, success rates of 87.5% and 93.13% are achieved.",
        "On AdvBench, a new attack achieves success rates of 87.5%.",
        "Claude attacks Claude with success rates of 87.5%.",
        "Success rates of 87.5% cause 93.13%.",
        "Mousetrap fools Mousetrap on AdvBench.",
    ],
)
def test_other_words_another_order_and_repeats_are_none(claim):
    assert not is_compression(claim, SOURCE, TITLE)
