"""The page in a real browser, over a real index; only the models are stand-ins."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import askpapers
from browser import serving
from page_parts import HOSTILE, CopyingGenerator, make_program, write_corpus

pytestmark = pytest.mark.real

MEMORY = "What lowers the memory cost of attention?"
NONSENSE = "Who won the football match in Madrid?"


@pytest.fixture(scope="module")
def generator():
    return CopyingGenerator()


@pytest.fixture(scope="module")
def page(tmp_path_factory, generator):
    program = make_program(tmp_path_factory.mktemp("page"), generator=generator)
    with serving(program) as (url, _):
        yield url


def marked(browser):
    return browser.texts("mark.ap-hit")


def test_evidence_comes_first_and_a_chip_marks_the_sentence_it_cites(browser):
    place = "return document.querySelector('#ap-composer').getBoundingClientRect().top"
    at_first = browser.run(place)
    browser.ask("slowly: " + MEMORY)
    browser.wait(".ap-proof mark.ap-read")
    assert not browser.all("#turn-1")
    draft = browser.wait(".ap-draft", text=" ").text
    browser.wait_until(f"document.querySelector('.ap-draft').innerText.length > {len(draft)}")
    assert "Writing" in browser.wait(".ap-doing").text
    assert browser.run(place) == at_first  # nothing jumps while it is written
    browser.wait("#turn-1 .ap-chip")
    assert browser.run(place) == at_first
    for chip in browser.all("#turn-1 .ap-chip")[:2]:
        quote = chip.get_attribute("data-quote")
        chip.click()
        assert "".join(marked(browser)) == quote
        hit = browser.all("mark.ap-hit")[0]
        card = hit.find_element(By.XPATH, "./ancestor::details")
        assert card.find_element(By.CSS_SELECTOR, ".ap-n").text == chip.text
        assert len(card.find_element(By.CSS_SELECTOR, ".ap-abstract").text) > len(quote)
        assert browser.run(
            "const a = arguments[0].getBoundingClientRect();"
            "return a.top >= 0 && a.bottom <= innerHeight",
            hit,
        )
    verdicts = browser.texts("#turn-1 .ap-verdict")
    assert all("supported" in verdict for verdict in verdicts)


def test_everything_works_by_keyboard(browser):
    box = browser.driver.switch_to.active_element
    assert box.tag_name == "textarea"
    browser.press(MEMORY, Keys.ENTER)
    browser.wait("#turn-1 .ap-chip")
    for _ in range(40):
        browser.press(Keys.SHIFT + Keys.TAB)
        focused = browser.driver.switch_to.active_element
        if "ap-chip" in (focused.get_attribute("class") or ""):
            break
    quote = focused.get_attribute("data-quote")
    assert browser.wait("#ap-preview").text == quote
    browser.press(Keys.ENTER)
    assert "".join(marked(browser)) == quote
    assert "ap-hit" in browser.driver.switch_to.active_element.get_attribute("class")
    browser.press(Keys.ESCAPE)
    assert browser.driver.switch_to.active_element.get_attribute("data-quote") == quote


def test_stop_stops_at_once_and_frees_the_model(browser, generator):
    browser.ask("slowly: " + MEMORY)
    browser.wait(".ap-draft", text=" ")
    ended = generator.ended
    browser.click("#ap-stop")
    browser.wait(".ap-stopped", text="Stopped")
    while generator.running:
        time.sleep(0.05)
    assert generator.ended == ended  # it was given back before its text was written
    browser.click(".ap-live [data-action=edit]")
    browser.wait_until("document.querySelector('#ap-question textarea').value.includes('memory')")
    browser.ask_and_wait(MEMORY, 1)
    assert len(browser.all(".ap-turn")) == 1


def test_a_follow_up_keeps_numbers_and_anchors_stay_unique(browser):
    browser.ask_and_wait("What is group attention in RITA?", 1)
    browser.ask_and_wait("and its memory cost?", 2)
    assert "RITA" in browser.wait("#turn-2 .ap-trace summary").text
    cards = browser.run(
        "return [...document.querySelectorAll('.ap-card')].map(c => [c.id,"
        " c.querySelector('.ap-n').innerText || c.querySelector('.ap-n').textContent,"
        " c.querySelector('.ap-title').textContent])"
    )
    numbers = {}
    for _, number, title in cards:
        assert numbers.setdefault(title, number) == number
    ids = browser.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    ours = [one for one in ids if one.startswith(("t1-", "t2-", "card-", "turn-"))]
    assert len(ours) == len(set(ours))
    browser.click("#turn-1 .ap-chip")
    assert browser.texts(".ap-proof .ap-for") == ["for “What is group attention in RITA?”"]


def test_reload_restores_the_conversation_exactly(browser):
    browser.ask_and_wait(MEMORY, 1)
    before, proof = browser.texts(".ap-turn"), browser.texts(".ap-proof")
    browser.driver.refresh()
    browser.wait("#turn-1", text=MEMORY)
    assert browser.texts(".ap-turn") == before
    assert browser.texts(".ap-proof") == proof


def test_filters_and_abstaining(browser):
    since = "#ap-filters [placeholder^='2024']"
    browser.type_into(since, "2024")
    browser.ask_and_wait(MEMORY, 1)
    assert "RITA" not in browser.wait(".ap-proof").text
    browser.type_into(since, "2024-99")
    browser.ask(MEMORY)
    browser.wait(".ap-error", text="YYYY-MM-DD")
    browser.type_into(since, "")
    browser.ask_and_wait(NONSENSE, 2)
    card = browser.wait("#turn-2 .ap-abstained")
    assert "do not answer this question" in card.text
    assert len(card.find_elements(By.CSS_SELECTOR, "li")) == 3
    browser.click("#turn-2 [data-action=wider]")
    browser.wait("#turn-2 .ap-chip")


def test_a_search_query_can_be_edited_and_an_answer_rated(browser):
    browser.ask_and_wait("What is group attention?", 1)
    browser.click("#turn-1 .ap-trace summary")
    query = "deep kernel machine GPU hours"
    browser.type_into("#turn-1 .ap-trace input", query).send_keys(Keys.ENTER)
    browser.wait("#turn-1 .ap-trace summary", text="deep kernel machine GPU hours")
    browser.click("#turn-1 .ap-rate summary")
    browser.wait("#turn-1 .ap-rate input").send_keys("as asked")
    browser.click("#turn-1 .ap-rate button[value=up]")
    assert browser.wait(".ap-kept", text="Kept")


def test_hostile_texts_are_inert(browser):
    browser.ask_and_wait("What is stored in the quokka ledger of zebrafish signatures?", 1)
    browser.click("#turn-1 .ap-chip")
    shown = browser.run("return document.querySelector('#ap-proof').textContent")
    assert HOSTILE["abstract"] in shown
    assert HOSTILE["title"] in shown
    browser.choose_tab("Corpus")
    browser.click("#ap-table .ap-link", text="Zebrafish")
    browser.wait("#ap-opened", text="onerror")
    browser.wait("svg.ap-map circle")
    assert browser.run("return window.hacked") is None
    assert not browser.all(".ap-turn img, .ap-proof img, .ap-turn a, .ap-proof a, #ap-paper a")
    assert not browser.all(".ap-turn script, .ap-proof script, #ap-paper script, #ap-table script")


def test_two_sessions_at_once_wait_for_one_model_and_do_not_mix(browser, page, generator):
    generator.most_running = 0
    first = browser.driver.current_window_handle
    browser.ask("slowly: " + MEMORY)
    browser.wait(".ap-proof mark")
    browser.driver.switch_to.new_window("tab")
    try:
        browser.open(page)
        assert not browser.all(".ap-turn")
        browser.ask("How many GPU hours does the DKM model need?")
        browser.wait(".ap-proof mark")
        browser.wait(".ap-doing", text="1 question before yours")
        browser.wait("#turn-1", text="GPU hours")
        mine = browser.text()
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)
    assert browser.wait("#turn-1", text="memory")
    assert "GPU hours does" not in browser.text()
    assert "slowly" not in mine
    assert generator.most_running == 1


DROP = """
const target = document.querySelector('#ap-upload button') || document.querySelector('#ap-upload');
const data = new DataTransfer();
data.items.add(new File([arguments[0]], 'dropped.jsonl', {type: 'application/jsonl'}));
for (const kind of ['dragenter', 'dragover', 'drop'])
  target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
"""


def test_files_are_added_by_drop_and_papers_asked_about(browser, tmp_path):
    browser.choose_tab("Corpus")
    browser.wait("#ap-table .ap-count", text="4 of 4")
    lines = [
        {
            "id": "narwhal",
            "title": "NarwhalNet: Tusks in the Wild",
            "date": "2025-01-02",
            "abstract": "NarwhalNet counts tusks from drones. It errs on one tusk in ninety.",
        }
    ]
    text = write_corpus(tmp_path, lines).read_text("utf-8")
    browser.wait("#ap-upload")
    browser.run(DROP, text)
    browser.wait("#ap-added", text="5 papers now")
    browser.wait("#ap-table .ap-count", text="5 of 5")
    search = browser.wait("#ap-corpus-tools input")
    search.send_keys("tusks drones")
    browser.wait("#ap-table .ap-count", text="1 of 5")
    browser.click("#ap-table .ap-link", text="NarwhalNet")
    browser.click("#ap-paper [data-action=about]")
    browser.wait("#ap-ask")
    browser.ask_and_wait("How often does it err on tusks?", 1)
    assert browser.texts(".ap-proof .ap-title") == ["NarwhalNet: Tusks in the Wild"]


def test_what_cannot_be_read_is_named(browser):
    browser.choose_tab("Corpus")
    browser.wait("#ap-table .ap-count")
    browser.run(DROP, '{"neither": "title nor abstract"}\n')
    assert "dropped.jsonl:1" in browser.wait("#ap-added", text="has no title").text


def test_nothing_serious_for_axe_in_light_and_dark_on_desktop_and_phone(browser):
    browser.ask_and_wait(MEMORY, 1)
    colours = {}
    for scheme in ("light", "dark"):
        browser.paint(scheme)
        browser.wait_until(
            f"document.body.classList.contains('dark') === {str(scheme == 'dark').lower()}"
        )
        time.sleep(0.3)
        colours[scheme] = browser.run(
            "return getComputedStyle(document.querySelector('gradio-app')).backgroundColor"
        )
        assert browser.find_violations() == []
    assert colours["light"] != colours["dark"]
    browser.resize(390, 844, phone=True)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    columns = browser.run(
        "return ['ap-talk-column', 'ap-proof-column', 'ap-filters'].map("
        "i => document.getElementById(i).getBoundingClientRect().left)"
    )
    assert len(set(columns)) == 1
    assert browser.find_violations() == []
    browser.resize(1440, 900)
    browser.choose_tab("Corpus")
    browser.wait("svg.ap-map circle")
    assert browser.find_violations() == []
    browser.choose_tab("Evals")
    browser.wait("#ap-run", text="eval run")
    assert browser.find_violations() == []


def test_no_request_left_this_machine(window, page):
    """Last in the file: it looks at everything that the tests above made the browser ask for."""
    window.open(page)
    time.sleep(1)
    assert window.find_outside_requests(page) == []


def test_the_command_answers_at_once_and_ends_with_one_error_when_it_may_not(tmp_path):
    command = [sys.executable, "-m", "askpapers", "ui"]
    environment = {
        "ASKPAPERS_HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(askpapers.__file__).parents[1]),
    }
    refused = subprocess.run(
        [*command, "--host", "0.0.0.0"], capture_output=True, text=True, env=environment
    )
    assert refused.returncode == 2
    assert "--auth" in refused.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = subprocess.run(
            [*command, "--port", str(port)], capture_output=True, text=True, env=environment
        )
        assert busy.returncode == 2
        assert f"askpapers ui --port {port + 1}" in busy.stderr
    process = subprocess.Popen(
        [*command, "--port", str(port)], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert f"http://127.0.0.1:{port}" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            assert answer.status == 200
            # It answered before the page's library was loaded, which takes seconds.
            assert answer.headers["x-askpapers-waiting"] == "1"
    finally:
        process.terminate()
        process.wait(20)


def test_a_password_is_asked_for(tmp_path):
    program = make_program(tmp_path)
    with serving(program, auth="me:secret") as (url, _):
        with urllib.request.urlopen(f"{url}/", timeout=10) as answer:
            text = answer.read().decode()
        assert "auth_required" in text
        assert "smollm2" not in text
        request = urllib.request.Request(
            f"{url}/gradio_api/queue/join", data=json.dumps({"data": []}).encode(), method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        assert caught.value.code == 401
