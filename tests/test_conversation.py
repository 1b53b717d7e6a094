import pytest

from askpapers.conversation import Conversation, rewrite_follow_up
from askpapers.domain import Answer, Source, Timings, Usage


def made_answer(query, title, cited=True):
    source = Source(n=1, paper_id="p1", title=title, date=None, cited=cited, read=True)
    return Answer(
        question=query,
        search_query=query,
        status="answered",
        reason=None,
        text="",
        sentences=(),
        sources=(source,),
        dropped=(),
        nearest=(),
        usage=Usage(),
        timings=Timings(),
    )


RITA = made_answer("What is group attention in RITA?", "RITA: Group Attention is All You Need")


@pytest.mark.parametrize(
    ("question", "rewritten"),
    [
        ("and its memory cost?", "RITA's memory cost?"),
        ("What does it cost to train?", "What does RITA cost to train?"),
        ("How was this method evaluated?", "How was RITA evaluated?"),
        ("and the memory cost?", "the memory cost — RITA?"),
        ("Which datasets?", "Which datasets — RITA?"),
        ("What about the paper's speed?", "RITA's speed?"),
        ("and for GANs, what happens beyond it?", "for GANs, what happens beyond RITA?"),
        ("Is there BERT in it?", "Is there BERT in RITA?"),
        ("Has BERT the same problem?", "Has BERT group attention RITA problem?"),
        ("Does BERT use the same method?", "Does BERT use RITA?"),
        ("When it is trained, does it need labels?", "When RITA is trained, does it need labels?"),
    ],
)
def test_a_follow_up_is_completed(question, rewritten):
    assert rewrite_follow_up(question, RITA) == rewritten


@pytest.mark.parametrize(
    "question",
    [
        "Which papers study quantization of large language models on phones?",
        "What is LoRA?",
        "How does RITA scale?",
        "What is E-BATCH and what does it improve?",
        "Is BERT slower when its inputs are long?",
    ],
)
def test_a_question_of_its_own_is_left_alone(question):
    assert rewrite_follow_up(question, RITA) == question


def test_without_a_cited_name_the_words_of_the_query_stand_in():
    before = made_answer("memory of optimizers", "A Study of Optimizers", cited=False)
    assert rewrite_follow_up("and their speed?", before) == "memory optimizers's speed?"


def test_the_first_question_is_never_rewritten():
    assert Conversation().rewrite("and its cost?") == "and its cost?"


def test_numbers_are_stable_through_a_conversation():
    talk = Conversation()
    assert [talk.number_of(p) for p in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
