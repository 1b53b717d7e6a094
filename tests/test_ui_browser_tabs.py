"""The corpus tab and the evals tab in a real browser, over a real index and real run files."""

from dataclasses import replace

import pytest
from selenium.webdriver.common.keys import Keys

from askpapers.evals import run_suite
from browser import serving
from eval_parts import (
    WordJudge,
    answer_soundly,
    make_abstention,
    make_suite,
    search_soundly,
)
from page_parts import make_program

pytestmark = pytest.mark.real

KERNEL = "How many GPU hours does the kernel machine need?"
FAST = "How much faster is RITA?"
HOSTILE = '<img src=x onerror="window.hacked=1">'


def write_run(folder, answer, *, k):
    return run_suite(
        make_suite(),
        run_dir=folder,
        settings_manifest={"k": k},
        answer=answer,
        search=search_soundly,
        judge=WordJudge(),
    ).header.run_id


def answer_worse(questions):
    """Abstains where it should not, and writes what could hurt a page."""
    answers = []
    for answer in answer_soundly(questions):
        if answer.question == KERNEL:
            answer = make_abstention(answer.question)
        elif answer.question == FAST:
            answer = replace(answer, text=f"{answer.text} {HOSTILE} PWNED")
        answers.append(answer)
    return answers


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("tabs")


@pytest.fixture(scope="module")
def runs(home):
    """Two finished runs, the sound one first, the worse one last."""
    return [
        write_run(home / "runs", answer_soundly, k=4),
        write_run(home / "runs", answer_worse, k=5),
    ]


@pytest.fixture(scope="module")
def page(home, runs):
    with serving(make_program(home)) as (url, _):
        yield url


@pytest.fixture
def browser(window, page):
    window.resize(1440, 900)
    window.paint("light")
    window.open(page)
    return window


def rows_of(browser):
    """The metrics that are seen: name to cells."""
    return browser.run(
        "return Object.fromEntries([...document.querySelectorAll('#ap-run .ap-table tbody tr')]"
        ".filter(row => row.checkVisibility()).map(row => [row.querySelector('th').innerText,"
        " [...row.querySelectorAll('td')].map(cell => cell.innerText)]))"
    )


def test_two_runs_are_compared_with_intervals_and_the_cases_that_flipped(browser, runs):
    sound, worse = (run.rpartition("-")[2] for run in runs)
    browser.choose_tab("Evals")
    browser.wait("#ap-run .ap-facts", text="13 cases")
    of_one = rows_of(browser)
    assert "–" in of_one["key_fact_recall"][1]
    box = browser.wait("#ap-evals-tools input[aria-label='Run']")
    assert worse in box.get_attribute("value")
    browser.choose("Compare with an earlier run", sound)
    browser.wait("#ap-run h3", text="two runs")
    facts = browser.wait("#ap-run .ap-facts").text
    assert "13 shared cases" in facts
    assert "0 now pass, 3 no longer" in facts
    both = rows_of(browser)
    before, now, gap, n, certain = both["answered_rate"]
    assert before.startswith("1.000")
    assert "(" in now
    assert gap.startswith("−")
    assert int(n) == 10
    assert "recall@1" not in both
    browser.click("#ap-run details summary", text="the same")
    assert rows_of(browser)["recall@1"][0].startswith("1.000")
    assert certain in ("", "▼ worse")
    assert browser.find_violations() == []
    browser.driver.switch_to.frame(browser.wait("iframe.ap-report"))
    try:
        flips = browser.all("details.case")
        assert len(flips) == 6  # two cases and a conversation, each before and now
        for summary in browser.all("details.case > summary"):
            summary.click()
        shown = browser.text()
        assert "The model trains in roughly 77 GPU hours." in shown
        assert "do not answer this question" in shown
        assert "It is up to 63 times faster than the state of the art." in shown
        assert "Sentences read, best first" in shown
        assert HOSTILE in shown
        assert not browser.all("img")
        assert "setting" in shown
    finally:
        browser.driver.switch_to.default_content()
    assert browser.run("return window.hacked") is None
    browser.choose("Compare with an earlier run", "none")
    browser.wait_until("!document.querySelector('#ap-run h3').innerText.includes('two runs')")
    assert rows_of(browser) == of_one


def test_the_map_is_used_by_keyboard(browser):
    browser.choose_tab("Corpus")
    browser.wait("svg.ap-map circle")
    browser.wait("#ap-corpus-tools input").click()
    for _ in range(40):
        browser.press(Keys.TAB)
        focused = browser.driver.switch_to.active_element
        if "ap-dot" in (focused.get_attribute("class") or ""):
            break
    first = focused.get_attribute("aria-label")
    assert browser.wait("#ap-preview").text == first
    assert focused.get_attribute("role") == "button"
    titles = {first}
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP) * 2:
        browser.press(key)
        titles.add(browser.driver.switch_to.active_element.get_attribute("aria-label"))
    assert len(titles) >= 3
    assert len(browser.all("svg.ap-map [tabindex='0']")) == 1
    last = browser.driver.switch_to.active_element.get_attribute("aria-label")
    assert browser.wait("#ap-preview").text == last
    assert browser.find_violations() == []
    browser.press(Keys.ENTER)
    browser.wait_until("document.activeElement.matches('#ap-question textarea')")
    assert last in browser.wait("#ap-filters").text
    browser.press(Keys.TAB)


def test_no_request_left_this_machine(window, page):
    """Last in the file: frames with reports were shown above."""
    assert window.find_outside_requests(page) == []
