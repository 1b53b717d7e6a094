"""The two layouts of saved pages: the seeds' counts, faults reported by line, made-up pages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.corpus import Entry, Rejected, load_papers
from askpapers.corpus.pages import find_newest_year, parse_page

SEEDS = Path(__file__).parents[1] / "seeds"

HEADER = "new\n\nGet trending papers in your email inbox!\n\nSubscribe\n\nDaily Papers\n\n"
LONG = "We study a thing that matters. " * 8


def parse(text: str) -> list[Entry | Rejected]:
    lines = list(enumerate(text.split("\n"), 1))
    return list(parse_page(lines, file="page.txt", newest_year=find_newest_year(lines)))


def block(title: str, abstract: str, authors: int, date: str) -> str:
    return f"{title}\n\n{abstract}\n\n  • {authors} authors\n·\n{date}\n\n"


def test_the_seeds_hold_367_listings_of_338_papers() -> None:
    papers, report = load_papers([SEEDS])
    assert dict(report.listings_by_file) == {
        "000_664a253bf8df8fda.txt": 29,
        "001_2104e24bc6dda065.txt": 230,
        "002_7d2589900d90d3c5.txt": 45,
        "003_f9d6a497e4b3b83f.txt": 63,
    }
    assert (len(papers), report.papers, report.merged) == (338, 338, 29)
    assert report.rejected == []
    assert len({paper.paper_id for paper in papers}) == 338
    # 230 of the bare page, and two blocks that were saved without their metadata
    assert report.bare == 232
    assert sum(paper.authors_count is not None for paper in papers) == 117


def test_listings_of_one_paper_keep_the_richest_metadata() -> None:
    papers, _ = load_papers([SEEDS])
    title = "Measuring the Intrinsic Dimension of Objective Landscapes"
    paper = next(paper for paper in papers if paper.title == title)
    assert [(item.file[:3], item.line) for item in paper.listings] == [
        ("001", 281),
        ("002", 45),
        ("003", 93),
    ]
    assert (paper.authors_count, paper.date, paper.date_text) == (4, "2018-04-24", "Apr 24, 2018")


def test_a_year_is_never_invented() -> None:
    papers, _ = load_papers([SEEDS])
    undated = [paper for paper in papers if paper.date_text and "," not in paper.date_text]
    assert len(undated) == 27
    for paper in undated:
        assert paper.date is None
        assert paper.date_not_before is not None
        assert paper.date_not_before.startswith("2025-")
    assert all(paper.date_not_before is None for paper in papers if paper.date)


def test_bare_layout_with_glued_subscribe() -> None:
    text = f"Get trending papers in your email inbox!\nSubscribeFirst Title\n{LONG}\nSecond\n{LONG}"
    assert [(e.title, e.line) for e in parse(text) if isinstance(e, Entry)] == [
        ("First Title", 2),
        ("Second", 4),
    ]


def test_comment_count_follows_the_date() -> None:
    (entry,) = parse(HEADER + block("T", LONG, 3, "Jun 18, 2024 2"))
    assert isinstance(entry, Entry)
    assert (entry.date, entry.date_text, entry.comments) == ("2024-06-18", "Jun 18, 2024", 2)
    (entry,) = parse(HEADER + block("T", LONG, 3, "Oct 20 2"))
    assert isinstance(entry, Entry)
    assert (entry.date, entry.date_text, entry.comments) == (None, "Oct 20", 2)
    assert entry.date_not_before is None  # no year is printed anywhere: nothing can be proved


def test_february_29_means_a_leap_year() -> None:
    page = HEADER + block("T", LONG, 1, "Feb 29") + block("U", LONG, 1, "Mar 1, 2024")
    first = parse(page)[0]
    assert isinstance(first, Entry)
    assert first.date_not_before == "2028-02-29"


def test_block_without_metadata_is_kept() -> None:
    page = HEADER + f"Bare One\n\n{LONG}\n\n" + block("Full", LONG, 2, "May 1, 2020")
    entries = parse(page)
    assert [e.title for e in entries if isinstance(e, Entry)] == ["Bare One", "Full"]
    assert isinstance(entries[0], Entry)
    assert entries[0].authors_count is None


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (block("A", LONG, 2, "May 1, 2020") + "Alone\n\n  • 3 authors\n·\nMay 2, 2020\n", "Alone"),
        (f"Alone\nTitle\n{LONG}", "Alone"),
        (block("A", LONG, 2, "May 1, 2020") + "Last Title\n", "Last Title"),
    ],
)
def test_title_without_abstract_is_reported_with_its_line(page: str, expected: str) -> None:
    text = HEADER + page
    rejected = [item for item in parse(text) if isinstance(item, Rejected)]
    assert [item.reason for item in rejected] == [f"has no abstract: {expected!r}"]
    assert text.split("\n")[rejected[0].line - 1] == expected
    assert sum(isinstance(item, Entry) for item in parse(text)) == 1


def test_abstract_without_title_is_reported() -> None:
    text = HEADER + "x " * 400 + "\n\n" + block("A", LONG, 2, "May 1, 2020")
    kinds = [type(item).__name__ for item in parse(text)]
    assert kinds == ["Rejected", "Entry"]


words = st.text(alphabet="abcdefghij ()-:,", min_size=5, max_size=80).map(
    lambda s: f"T{' '.join(s.split())}"
)
listings = st.tuples(
    words,
    words.map(lambda s: f"{LONG}{s}"),
    st.one_of(
        st.none(),
        st.tuples(
            st.integers(1, 3000),
            st.sampled_from(["Jan 2, 2019", "Feb 29", "Dec 31", "May 3, 2024 7", "Oct 9 1"]),
        ),
    ),
)


@given(st.lists(listings, max_size=12))
def test_made_up_block_pages_come_back_whole(items: list) -> None:
    page = HEADER + "byAK and the research community\n\nOct 23\n\n"
    for title, abstract, meta in items:
        page += block(title, abstract, *meta) if meta else f"{title}\n\n{abstract}\n\n"
    entries = [item for item in parse(page) if isinstance(item, Entry)]
    assert len(entries) == len(items) == len(parse(page))
    lines = page.split("\n")
    for entry, (title, abstract, meta) in zip(entries, items, strict=True):
        assert (entry.title, entry.abstract) == (title.strip(), abstract.strip())
        assert lines[entry.line - 1].strip() == entry.title
        assert entry.authors_count == (meta[0] if meta else None)
        assert (entry.date is not None) == bool(meta and "," in meta[1])


@given(st.lists(st.tuples(words, words.map(lambda s: f"{LONG}{s}")), min_size=1, max_size=12))
def test_made_up_bare_pages_come_back_whole(items: list) -> None:
    page = "Get trending papers in your email inbox!\nSubscribe"
    page += "\n".join(f"{title}\n{abstract}" for title, abstract in items)
    got = [(e.title, e.abstract) for e in parse(page) if isinstance(e, Entry)]
    assert got == [(title.strip(), abstract.strip()) for title, abstract in items]


@given(st.text(alphabet="ab. •·\n14,", max_size=600))
def test_no_text_line_of_any_page_is_lost_in_silence(text: str) -> None:
    got = parse(text)
    told = sum(2 if isinstance(item, Entry) else 1 for item in got)
    assert told == sum(line.strip() not in ("", "·") for line in text.split("\n"))
