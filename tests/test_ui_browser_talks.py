"""Several conversations of one browser: left, listed, opened again exactly as they were."""

import time

import pytest

from browser import Browser, serving
from page_parts import make_program

pytestmark = pytest.mark.real

MEMORY = "What lowers the memory cost of attention?"
HOURS = "How many GPU hours does the DKM model need?"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with serving(make_program(tmp_path_factory.mktemp("talks"))) as (url, _):
        yield url


@pytest.fixture
def browser(window, page):
    """The window as on its first visit."""
    if window.driver.current_url.startswith(page):
        window.run("sessionStorage.clear(); localStorage.clear()")
    window.open(page)
    return window


def shown(browser):
    return browser.texts(".ap-turn") + browser.texts(".ap-proof")


def start_anew(browser):
    browser.click("#ap-new")
    browser.wait(".ap-welcome", text="Ask a question")


def test_an_earlier_conversation_is_listed_and_opens_exactly_as_it_was(browser, page):
    browser.ask_and_wait(MEMORY, 1)
    browser.ask_and_wait("and its serving cost?", 2)
    before = shown(browser)
    assert not browser.all(".ap-older")
    start_anew(browser)
    browser.wait(".ap-older summary", text="Earlier conversations (1)")
    browser.ask_and_wait(HOURS, 1)
    second = shown(browser)
    browser.click(".ap-older summary")
    assert "2 questions" in browser.wait(".ap-older li").text
    browser.click(".ap-older .ap-link", text=MEMORY)
    browser.wait("#turn-2", text="serving cost")
    assert shown(browser) == before
    browser.click("#turn-2 .ap-chip")
    assert browser.texts("mark.ap-hit")
    browser.driver.refresh()
    browser.wait("#turn-2", text="serving cost")
    assert shown(browser) == before
    browser.click(".ap-older summary")
    assert browser.texts(".ap-older .ap-link") == [HOURS]
    assert browser.find_violations() == []
    browser.click(".ap-older .ap-link", text=HOURS)
    browser.wait("#turn-1", text=HOURS)
    assert shown(browser) == second
    browser.ask_and_wait("and its accuracy?", 2)


def test_another_browser_sees_no_conversation_of_this_one(browser, page):
    browser.ask_and_wait(MEMORY, 1)
    other = Browser()
    try:
        other.open(page)
        other.wait(".ap-welcome")
        assert not other.all(".ap-older")
        guessed = "JSON.stringify(['A'.repeat(43), 7, ''])"
        other.run(f"localStorage.setItem('askpapers-older', {guessed})")
        other.driver.refresh()
        other.wait(".ap-welcome")
        time.sleep(1)
        assert not other.all(".ap-older")
    finally:
        other.close()


def test_a_conversation_left_while_it_is_answered_does_not_follow(browser):
    browser.ask_and_wait(HOURS, 1)
    browser.ask("slowly: " + MEMORY)
    browser.wait(".ap-live .ap-draft", text=" ")
    start_anew(browser)
    browser.wait(".ap-older summary", text="(1)")
    time.sleep(2)
    assert browser.texts(".ap-turn") == []
    assert browser.wait("#ap-ask").is_enabled()
    browser.ask_and_wait(MEMORY, 1)
    assert "slowly" not in browser.text()
    browser.click(".ap-older summary")
    browser.click(".ap-older .ap-link", text=HOURS)
    browser.wait("#turn-1", text=HOURS)
    assert len(browser.all(".ap-turn")) == 1
    browser.ask_and_wait("and its accuracy?", 2)
