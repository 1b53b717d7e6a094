"""One paper, one record: ids, versions, clashes, and nothing that depends on order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from askpapers.corpus import Entry, EntryStore, dump_entry, load_entry
from askpapers.corpus.merging import derive_id, is_same_abstract, title_key

FIRST = "We train sparse networks with a new penalty and measure their size on three tasks."
LATER = FIRST + " In this version a fourth task is added."
OTHER = "Traffic lights in big cities are controlled by a planner that learns from cameras."


def entry(title="A Title", abstract=FIRST, file="a.txt", line=1, **fields):
    return Entry(title=title, abstract=abstract, file=file, line=line, **fields)


def papers(*entries):
    with EntryStore() as store:
        store.add(entries)
        made = list(store.papers())
        assert store.count_papers() == len(made)
        return made


def test_spellings_of_a_title_are_one_paper():
    (paper,) = papers(entry("A  Title!"), entry("a title", line=9), entry("Ａ Title", file="b"))
    assert [listing.line for listing in paper.listings] == [1, 9, 1]
    assert paper.paper_id == derive_id("atitle")


def test_ids_are_the_same_on_every_machine():
    assert papers(entry("Attention Is All You Need"))[0].paper_id == "p5563e10cdb03"
    assert derive_id("atitle") == "pd066002430d4"


def test_the_fullest_version_and_the_richest_metadata_are_kept():
    (paper,) = papers(
        entry(abstract=FIRST, authors_count=3, date_text="May 31", date_not_before="2025-05-31"),
        entry(abstract=LATER, line=2, comments=2),
        entry(abstract=FIRST, line=3, date="2025-05-31", date_text="May 31, 2025", url="u"),
    )
    assert paper.abstract == LATER
    assert (paper.authors_count, paper.comments, paper.url) == (3, 2, "u")
    assert (paper.date, paper.date_text, paper.date_not_before) == (
        "2025-05-31",
        "May 31, 2025",
        None,
    )


def test_one_title_over_different_abstracts_is_two_papers():
    made = papers(entry(), entry(abstract=OTHER, line=2), entry(abstract=LATER, line=3))
    assert len(made) == 2
    assert len({paper.paper_id for paper in made}) == 2
    assert derive_id("atitle") not in {paper.paper_id for paper in made}
    assert [listing.line for listing in made[0].listings] == [1, 3]


def test_given_ids_stand():
    made = papers(
        entry(paper_id="x1"), entry(line=2), entry(abstract=OTHER, line=3, paper_id="x2"),
        entry("Another Title", line=4, paper_id="x1"),
    )  # fmt: skip
    assert [paper.paper_id for paper in made] == ["x1", "x2"]
    assert [listing.line for listing in made[0].listings] == [1, 2, 4]


WORDS = "sparse graph kernel bound batch rate gradient token reward policy".split()  # noqa: SIM905


def long_abstract(seed):
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) + str(chance.randrange(9)) for _ in range(150))


def test_near_duplicates_under_other_titles_are_linked_not_merged():
    text = long_abstract(1)
    words = text.split()
    words[40] = "changed"
    made = papers(
        entry("First Version", text),
        entry("Second Version", " ".join(words), line=2, paper_id="given"),
        entry("Something Else", long_abstract(2), line=3),
        entry("Half", " ".join(words[:75] + long_abstract(3).split()[:75]), line=4),
    )
    assert [paper.variants for paper in made] == [("given",), (made[0].paper_id,), (), ()]


def test_near_duplicates_are_found_among_many():
    chance = random.Random(0)
    entries, expected = [], 0
    for number in range(300):
        text = long_abstract(number)
        entries.append(entry(f"Paper {number}", text, line=2 * number + 1))
        if number % 3 == 0:
            words = text.split()
            for _ in range(4):  # four words of 150: Jaccard about 0.85
                words[chance.randrange(150)] = f"new{chance.randrange(1000)}"
            entries.append(entry(f"Copy {number}", " ".join(words), line=2 * number + 2))
            expected += 2
    found = sum(bool(paper.variants) for paper in papers(*entries))
    assert expected - 4 <= found <= expected


def test_titles_without_letters_are_told_apart():
    assert title_key("???") != title_key("!!!")


def test_versions_and_strangers():
    assert is_same_abstract(FIRST, LATER)
    assert not is_same_abstract(FIRST, OTHER)
    assert is_same_abstract("Word", "word.")
    assert not is_same_abstract("Word", "Other")


entries = st.builds(
    Entry,
    title=st.sampled_from(["One", "Two", "one!"]),
    abstract=st.sampled_from([FIRST, LATER, OTHER, "Short.", "Brief."]),
    file=st.sampled_from(["a", "b"]),
    line=st.integers(1, 9),
    paper_id=st.sampled_from([None, None, "x1", "x2"]),
    authors_count=st.none() | st.integers(1, 5),
)


@given(st.lists(entries, max_size=8), st.integers())
def test_the_order_of_listings_decides_no_id_and_no_text(listed, seed):
    shuffled = list(listed)
    random.Random(seed).shuffle(shuffled)

    def essence(made):
        return {
            (p.paper_id, p.title, p.abstract, frozenset((x.file, x.line) for x in p.listings))
            for p in made
        }

    assert essence(papers(*listed)) == essence(papers(*shuffled))


@given(entries)
def test_entries_survive_being_written(one):
    assert load_entry(dump_entry(one)) == one
