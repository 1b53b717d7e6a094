from datetime import date

import pytest

from askpapers.domain import Filters, Paper
from askpapers.errors import IndexDamaged, IndexMissing
from askpapers.queries import (
    QueryVocabulary,
    asks_for_several,
    find_dates,
    find_definitions,
    find_names,
    understand,
)

TODAY = date(2026, 3, 15)
PAPERS = [
    Paper("p1", "RITA: Group Attention for Timeseries", "We study the critical batch size (CBS)."),
    Paper("p2", "Scaling Laws for the Batch", "Critical batch size (CBS) grows with data."),
    Paper("p3", "Segment Anything Again", "The segment anything model (SAM) cuts images."),
]


@pytest.fixture(scope="module")
def vocabulary():
    return QueryVocabulary.build(PAPERS)


@pytest.mark.parametrize(
    ("question", "rest", "since", "until"),
    [
        ("What was proposed since 2023 for RAG?", "What was proposed for RAG?", "2023", None),
        ("What changed after 2022?", "What changed?", "2023", None),
        ("What changed after June 2024?", "What changed?", "2024-07", None),
        ("What changed after December 2024?", "What changed?", "2025-01", None),
        ("Methods before 2020 for X", "Methods for X", None, "2019"),
        ("Methods until 2024-05-31", "Methods", None, "2024-05-31"),
        ("Methods before 2024-03-01", "Methods", None, "2024-02-29"),
        ("Between 2021 and 2023, what changed?", "what changed?", "2021", "2023"),
        (
            "Which papers from May 2024 study LoRA?",
            "Which papers study LoRA?",
            "2024-05",
            "2024-05",
        ),
        ("What was published in 2019 on GANs?", "What was on GANs?", "2019", "2019"),
        ("What happened last year?", "What happened?", "2025", "2025"),
        ("What happened in the past two years?", "What happened?", "2024", None),
        ("What came out in the last 4 months?", "What came out?", "2025-11", None),
        ("What appeared this month?", "What appeared?", "2026-03", None),
        # Years that belong to what is asked about stay where they are.
        ("Who won ImageNet 2012?", "Who won ImageNet 2012?", None, None),
        ("How is the 2019 challenge scored?", "How is the 2019 challenge scored?", None, None),
        ("Is data from 2019 still useful?", "Is data from 2019 still useful?", None, None),
        ("What may 2024 tokens cost?", "What may 2024 tokens cost?", None, None),
        ("Is more than since2023 known?", "Is more than since2023 known?", None, None),
    ],
)
def test_date_words_become_bounds(question, rest, since, until):
    assert find_dates(question, today=TODAY) == (rest, since, until)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the critical batch size (CBS) is", {"CBS": "critical batch size"}),
        ("Large language models (LLMs) and", {"LLM": "large language models"}),
        ("Low-Rank Adaptation (LoRA)", {"LoRA": "low-rank adaptation"}),
        ("a method (see Figure)", {}),
        ("on ImageNet (ILSVRC)", {}),
        ("in Section 3 (B)", {}),
    ],
)
def test_definitions_of_short_forms(text, found):
    assert find_definitions(text) == found


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("RITA: Group Attention", ["RITA"]),
        ("DART-Math: Difficulty-Aware", ["DART-Math"]),
        ("On the Way: A Study", []),
        ("No name here", []),
    ],
)
def test_names_in_titles(title, names):
    assert find_names(title) == names


def test_acronyms_are_read_both_ways(vocabulary):
    assert vocabulary.expand("What limits the CBS?") == {"CBS": ["critical batch size"]}
    assert vocabulary.expand("what limits the cbs?") == {"cbs": ["critical batch size"]}
    assert vocabulary.expand("How does the critical batch size scale?") == {
        "critical batch size": ["CBS"]
    }
    assert vocabulary.expand("the critical batch size (CBS)") == {}


def test_a_word_that_spells_an_acronym_is_left_alone(vocabulary):
    assert vocabulary.expand("Who is sam?") == {}
    assert vocabulary.expand("What does SAM cut?") == {"SAM": ["segment anything model"]}


@pytest.mark.parametrize(
    ("question", "papers"),
    [
        ("Does the RITA paper use attention?", ("p1",)),
        ("What does “Scaling Laws for the Batch” find?", ("p2",)),
        ("Is there a paper about margarita?", ()),
        ("Does the paper use RITA?", ()),
    ],
)
def test_a_named_paper_becomes_a_filter(vocabulary, question, papers):
    read = understand(question, vocabulary, today=TODAY)
    assert read.query.filters.paper_ids == papers


def test_a_mentioned_name_is_no_filter_but_is_known(vocabulary):
    read = understand("How fast is RITA?", vocabulary, today=TODAY)
    assert read.query.filters == Filters()
    assert read.named == {"p1"}


def test_filters_of_the_caller_win(vocabulary):
    given = Filters(since="2020", paper_ids=("p3",))
    read = understand("the RITA paper since 2023", vocabulary, today=TODAY, filters=given)
    assert read.query.filters == given


def test_what_was_read_is_told(vocabulary):
    read = understand("What limits the CBS since 2023?", vocabulary, today=TODAY)
    assert read.query.search_query == "What limits the CBS?"
    assert read.query.filters.since == "2023"
    assert read.added == ("critical batch size",)
    assert len(read.query.notes) == 2


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("Which papers study the critical batch size?", True),
        ("what do other works say about it?", True),
        ("approaches to few-step image generation", True),
        ("What benchmarks for tool use are there?", True),
        ("what is known about grokking?", True),
        ("Compare batch norm and layer norm.", True),
        ("How do SGD and Adam differ in their bias?", True),
        ("What is BERT?", False),
        ("What works when labels are rare?", False),
        ("How many benchmarks does GLUE have?", False),
        ("Adam vs SGD on ImageNet", False),
    ],
)
def test_questions_that_ask_for_several_papers(vocabulary, question, several):
    assert asks_for_several(question) is several
    assert understand(question, vocabulary, today=TODAY).query.several is several


def test_a_saved_vocabulary_reads_the_same(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "vocabulary.json")
    again = QueryVocabulary.load(tmp_path / "vocabulary.json")
    for question in ("the CBS of RITA", "the RITA paper", "segment anything model"):
        assert understand(question, again, today=TODAY) == understand(
            question, vocabulary, today=TODAY
        )


def test_a_missing_and_a_broken_vocabulary(tmp_path):
    with pytest.raises(IndexMissing):
        QueryVocabulary.load(tmp_path / "vocabulary.json")
    (tmp_path / "vocabulary.json").write_text('{"acronyms": []}', "utf-8")
    with pytest.raises(IndexDamaged):
        QueryVocabulary.load(tmp_path / "vocabulary.json")
