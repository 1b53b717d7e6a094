"""What a person does with answers and papers in a real browser: again, copy, export, rate, look."""

import json
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import serving
from page_parts import PAPERS, CopyingGenerator, make_program, write_corpus

pytestmark = pytest.mark.real

MEMORY = "What lowers the memory cost of attention?"
HOURS = "How many GPU hours does the DKM model need?"
FINCH = {
    "id": "finch",
    "title": "FinchSort: Sorting by Song",
    "date": "2019-04-01",
    "abstract": "FinchSort lowers the memory cost of sorting songs. Its attention is short.",
}


@pytest.fixture(scope="module")
def generator():
    return CopyingGenerator()


@pytest.fixture(scope="module")
def page(tmp_path_factory, generator):
    home = tmp_path_factory.mktemp("work")
    write_corpus(home / "corpus")
    write_corpus(home / "corpus", [FINCH], name="songs.jsonl")
    program = make_program(home, corpus=home / "corpus", generator=generator)
    with serving(program) as (url, _):
        yield url


def test_an_example_is_asked_and_a_question_asked_again_and_edited(browser, generator):
    example = browser.wait(".ap-example").text
    browser.click(".ap-example")
    browser.wait("#turn-1", text=example)
    browser.ask_and_wait(MEMORY, 2)
    ended = generator.ended
    browser.click("#turn-2 [data-action=retry]")
    while generator.ended == ended:
        time.sleep(0.05)
    browser.wait("#turn-2", text=MEMORY)
    browser.click("#turn-2 [data-action=edit]")
    typed = "document.querySelector('#ap-question textarea').value"
    assert browser.wait_until(typed) == MEMORY
    browser.ask_and_wait(HOURS, 2)
    assert browser.texts(".ap-turn .ap-question") == [example, HOURS]


def test_an_answer_is_copied_with_its_references(browser, page):
    browser.command(
        "Browser.grantPermissions",
        origin=page,
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
    )
    browser.ask_and_wait(HOURS, 1)
    browser.click("#turn-1 [data-copy]")
    browser.wait("#turn-1 [data-copy]", text="Copied")
    copied = browser.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
    )
    number = browser.wait("#turn-1 .ap-chip").text
    answer, references = copied.split("\n\nReferences\n")
    assert "roughly 77 GPU hours" in answer
    assert f"[{number}]" in answer
    assert f"[{number}] DKM: Convolutional Deep Kernel Machines (2023-09-18)" in references


def test_a_conversation_is_exported_in_every_format_and_its_ratings_as_cases(browser, tmp_path):
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.ask_and_wait(HOURS, 1)
    browser.click("#turn-1 .ap-rate summary")
    browser.click("#turn-1 .ap-rate select")
    browser.click("#turn-1 .ap-rate option", text="correct and complete")
    browser.wait("#turn-1 .ap-rate input").send_keys("as asked")
    browser.click("#turn-1 .ap-rate button[value=up]")
    browser.wait(".ap-kept", text="Kept")

    def export(label, name):
        browser.choose("Export as", label)
        browser.click("#ap-export")
        target = tmp_path / name
        while not (target.exists() and target.read_text("utf-8")):
            time.sleep(0.05)
        return target.read_text("utf-8")

    text = export("Markdown", "conversation.md")
    assert f"## {HOURS}" in text
    assert "> The resulting DKM model trains in roughly 77 GPU hours." in text
    entry = export("BibTeX", "conversation.bib")
    assert "@misc{kernel," in entry
    assert "year = {2023}" in entry
    (turn,) = json.loads(export("JSON", "conversation.json"))["turns"]
    assert turn["question"] == HOURS
    quote = turn["sentences"][0]["evidence"][0]["quote"]
    case = json.loads(export("Ratings as eval cases", "feedback-cases.jsonl"))
    assert (case["question"], case["expect"]) == (HOURS, "answered")
    assert case["note"] == "correct and complete · as asked"
    assert quote in [one["quote"] for one in case["evidence"]]


def test_quotations_alone_need_no_model_and_look_quoted(browser, generator):
    ended = generator.ended
    browser.click("#ap-filters input[type=checkbox]")
    browser.ask_and_wait(HOURS, 1)
    assert browser.texts("#turn-1 .ap-quoted q") == browser.texts("#turn-1 .ap-sentence q")
    assert set(browser.texts("#turn-1 .ap-verdict")) == {"✓ quoted, supported"}
    assert browser.run(
        "return getComputedStyle(document.querySelector('#turn-1 q')).fontStyle === 'italic'"
    )
    assert generator.ended == ended


def test_only_the_chosen_file_and_paper_are_searched(browser):
    browser.choose("Only from these files", "songs.jsonl")
    browser.press(Keys.ESCAPE)
    browser.ask_and_wait(MEMORY, 1)
    assert browser.texts(".ap-proof .ap-title") == [FINCH["title"]]


def test_a_pointer_over_a_citation_shows_its_sentence_and_leaves_no_trace(browser):
    browser.ask_and_wait(MEMORY, 1)
    chip = browser.wait("#turn-1 .ap-chip")
    browser.point_at(chip)
    assert browser.wait("#ap-preview").text == chip.get_attribute("data-quote")
    browser.point_at(browser.wait("#ap-head h1"))
    browser.wait_until("document.querySelector('#ap-preview').hidden")
    assert not browser.all("mark.ap-hit")


def test_the_evidence_and_the_question_stay_in_view_beside_a_long_conversation(browser):
    browser.resize(1440, 620)
    for turn, question in enumerate((HOURS, MEMORY, HOURS), 1):
        browser.ask_and_wait(question, turn)
    seen = (
        "return [...document.querySelectorAll('#ap-ask, #ap-proof-column h2, .ap-for')]"
        ".filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect())"
        ".every(r => r.top >= 0 && r.bottom <= innerHeight)"
    )
    for place in (0, 10000):
        browser.run("window.scrollTo(0, arguments[0])", place)
        assert browser.run(seen)
    where = browser.run("return window.scrollY")
    assert where > 100
    browser.all("#turn-3 .ap-chip")[-1].click()
    assert browser.texts("mark.ap-hit")
    assert browser.run("return window.scrollY") == where  # only the evidence moved
    assert not browser.texts("#ap-back")  # the chip is in sight


def test_on_a_phone_a_citation_leads_to_the_evidence_and_back(browser):
    browser.resize(390, 844, phone=True)
    browser.ask_and_wait(HOURS, 1)
    browser.ask_and_wait(MEMORY, 2)
    chip = browser.click("#turn-1 .ap-chip")
    inside = (
        "const a = arguments[0].getBoundingClientRect();"
        "return a.top >= 0 && a.bottom <= innerHeight && a.right <= innerWidth"
    )
    assert browser.run(inside, browser.wait("mark.ap-hit"))
    back = browser.wait("#ap-back", text="Back")
    assert browser.run(inside, back)
    back.click()
    assert browser.driver.switch_to.active_element == chip
    assert browser.run(inside, chip)
    assert not browser.texts("#ap-back")


def test_papers_are_sorted_filtered_and_found_on_the_map(browser):
    browser.ask_and_wait(HOURS, 1)
    cited = browser.wait("#turn-1 .ap-list button[data-goto]", text="").get_attribute("textContent")
    browser.choose_tab("Corpus")
    browser.wait("#ap-table .ap-count", text="5 of 5")
    titles = sorted((paper["title"] for paper in [*PAPERS, FINCH]), key=str.casefold)
    browser.choose("Order", "Title")
    browser.wait("#ap-table tbody tr:first-child", text=titles[0])
    assert browser.texts("#ap-table .ap-link") == titles
    browser.choose("Order", "Oldest first")
    browser.wait("#ap-table tbody tr:first-child", text=FINCH["title"])
    browser.run("window.scrollTo(0, 0)")
    tools = browser.wait("#ap-corpus-tools")
    tools.find_element(By.CSS_SELECTOR, "input[aria-label='Only from these files']").click()
    browser.click("#ap-corpus-tools ul[role=listbox] li", text="songs.jsonl")
    browser.wait("#ap-table .ap-count", text="1 of 5")
    browser.press(Keys.ESCAPE)
    browser.click("#ap-table .ap-link", text=FINCH["title"])
    assert browser.wait("#ap-paper .ap-abstract").text == FINCH["abstract"]

    browser.wait("svg.ap-map circle")
    high = browser.all("svg.ap-map .ap-high")
    assert [dot.get_attribute("aria-label") for dot in high] == [f"{cited} (in the answer)"]
    assert browser.all(".ap-legend li")
    # What is above the map may still come and push it away from under the pointer.
    dot = browser.wait_at_rest("svg.ap-map [data-paper=cache]")
    browser.point_at(dot)
    browser.wait("#ap-preview", text="KVSqueeze")
    dot.click()
    browser.wait_until("document.activeElement.matches('#ap-question textarea')")
    browser.ask_and_wait(MEMORY, 2)
    assert browser.texts(".ap-proof .ap-title") == ["KVSqueeze: Shrinking the Cache of Attention"]


def test_no_request_left_this_machine(window, page):
    """Last in the file: it looks at everything that the tests above made the browser ask for."""
    assert window.find_outside_requests(page) == []
