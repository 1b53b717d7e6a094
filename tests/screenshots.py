"""`python -m tests.screenshots`: pictures of the real page into docs/, light, dark, wide, narrow.

The program is the one a newcomer gets: the seeds, the shipped models, the embedded writer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from askpapers.app import App
from askpapers.settings import load_settings
from browser import Browser, serving

DOCS = Path(__file__).parents[1] / "docs"
QUESTION = "How does RITA reduce the cost of attention?"
FOLLOW_UP = "and how much faster is it?"
UNANSWERABLE = "Who won the football world cup in 2022?"
WIDE, NARROW = (1440, 900), (390, 844)
_COLOURS = 64


def main() -> None:
    """Take all pictures."""
    DOCS.mkdir(exist_ok=True)
    home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    with serving(App(load_settings(), home=home)) as (url, _):
        browser = Browser(width=WIDE[0], height=WIDE[1])
        try:
            browser.open(url)
            browser.wait(".ap-welcome")
            browser.ask_and_wait(QUESTION, 1)
            browser.ask_and_wait(FOLLOW_UP, 2)
            browser.run("window.scrollTo(0, 0)")
            browser.click("#turn-2 .ap-chip")
            browser.run("window.scrollTo(0, 0)")
            time.sleep(0.5)
            take(browser, "page-light.png")
            browser.paint("dark")
            time.sleep(0.5)
            take(browser, "page-dark.png")
            browser.paint("light")
            browser.choose_tab("Corpus")
            browser.wait("svg.ap-map circle")
            browser.run("document.querySelector('#ap-map-fold').scrollIntoView({block: 'center'})")
            time.sleep(0.3)
            take(browser, "corpus-map.png")
            browser.choose_tab("Ask")
            browser.resize(*NARROW, phone=True)
            browser.run("document.querySelector('#turn-2').scrollIntoView()")
            time.sleep(0.5)
            take(browser, "phone-light.png")
            browser.paint("dark")
            browser.ask_and_wait(UNANSWERABLE, 3)
            browser.run("document.querySelector('#turn-3').scrollIntoView()")
            time.sleep(0.5)
            take(browser, "phone-dark-abstaining.png")
        finally:
            browser.close()


def take(browser: Browser, name: str) -> None:
    """Save what the window shows, in few colours: pictures of text lose nothing by it."""
    from PIL import Image

    path = DOCS / name
    browser.driver.save_screenshot(str(path))
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1024:.0f} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
