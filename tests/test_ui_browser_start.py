"""The page's first minute in a real browser: no index yet, its building seen, then usable."""

import pytest

from browser import serving
from page_parts import PAPERS, SteppedEmbedder, make_program, write_corpus

pytestmark = pytest.mark.real

MEMORY = "What lowers the memory cost of attention?"
COUNT = 300


@pytest.fixture
def browser(window):
    window.resize(1440, 900)
    window.paint("light")
    return window


def write_many(folder):
    """Enough papers for several steps of the build."""
    more = [
        {
            "id": f"filler{i}",
            "title": f"Filler {i}: Gardens of Number {i}",
            "date": "2022-01-01",
            "abstract": f"Garden {i} has {i} roses. Its soil is dry. Its gate is number {i}.",
        }
        for i in range(COUNT - len(PAPERS))
    ]
    return write_corpus(folder, [*PAPERS, *more])


def test_without_an_index_the_page_is_there_shows_its_building_and_becomes_usable(
    browser, tmp_path
):
    embedder = SteppedEmbedder()
    program = make_program(tmp_path, corpus=write_many(tmp_path / "many"), embedder=embedder)
    with serving(program, is_loaded=False) as (url, _):
        try:
            browser.open(url)
            browser.wait(".ap-loading progress")
            embedder.allowed.release()
            browser.wait(".ap-loading", text=f"of {COUNT} papers")
            bar = "document.querySelector('.ap-loading progress').value"
            first = browser.wait_until(f"{bar} || null")
            assert 0 < first < 1
            embedder.allowed.release()
            browser.wait_until(f"{bar} > {first}")
            assert browser.wait("#ap-status").text == ""  # it is said where the progress is
            assert browser.find_violations() == []
            browser.choose_tab("Corpus")
            browser.wait("#ap-table .ap-loading", text="Building the index")
            assert not browser.all("svg.ap-map")
            browser.choose_tab("Ask")
            browser.ask(MEMORY)
            browser.wait(".ap-live .ap-question", text=MEMORY)
            browser.wait(".ap-live .ap-doing", text="Building the index")
        finally:
            embedder.set_free()
        browser.wait("#turn-1 .ap-chip")
        browser.wait_until("document.querySelector('#ap-status').innerText.startsWith('Done')")
        browser.choose_tab("Corpus")
        browser.wait("#ap-table .ap-count", text=f"{COUNT} of {COUNT}")


def test_tabs_that_were_open_while_it_was_built_fill_by_themselves(browser, tmp_path):
    embedder = SteppedEmbedder()
    program = make_program(tmp_path, embedder=embedder)
    with serving(program, is_loaded=False) as (url, _):
        try:
            browser.open(url)
            browser.choose_tab("Corpus")
            browser.wait("#ap-table .ap-loading")
        finally:
            embedder.set_free()
        browser.wait("#ap-table .ap-count", text=f"{len(PAPERS)} of {len(PAPERS)}")
        browser.wait("svg.ap-map circle")
        browser.choose_tab("Ask")
        browser.wait(".ap-welcome", text="Ask a question")
        assert not browser.all(".ap-loading")


def test_a_corpus_that_cannot_be_read_is_said_where_the_papers_would_be(browser, tmp_path):
    program = make_program(tmp_path, corpus=tmp_path / "nowhere.jsonl")
    with serving(program, is_loaded=False) as (url, _):
        browser.open(url)
        assert "nowhere.jsonl" in browser.wait("#ap-talk .ap-error", text="nowhere").text
        browser.choose_tab("Corpus")
        browser.wait("#ap-table .ap-error", text="nowhere.jsonl")
