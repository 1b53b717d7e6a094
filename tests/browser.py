"""A real browser (Debian's Chromium, driven by selenium) on a page served in this process."""

import json
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from askpapers.ui.desk import Desk
from askpapers.ui.readiness import Readiness
from askpapers.ui.serving import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
DRIVER = shutil.which("chromedriver") or "/usr/bin/chromedriver"
INSTALL = "apt-get install -y chromium chromium-driver"
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
PATIENCE_SECONDS = 30
_QUESTION = "#ap-question textarea"


@contextmanager
def serving(program, *, auth=None, is_loaded=True):
    """Serve a program's page in a thread, at once or once all is loaded; gives (url, desk)."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    readiness = Readiness(program)
    desk = Desk(program, readiness=readiness)
    server = make_server(desk, host="127.0.0.1", port=port, auth=auth, open_to_all=False)
    readiness.start()
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    assert not is_loaded or readiness.wait(120)
    try:
        yield f"http://127.0.0.1:{port}", desk
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class Browser:
    """A browser window with the few things a person does."""

    def __init__(self, *, width=1440, height=900):
        self.profile = tempfile.mkdtemp(prefix="askpapers-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-prefers-reduced-motion",
            f"--user-data-dir={self.profile}",
            f"--window-size={width},{height}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.requests = []
        self.resize(width, height)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # -- looking

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def wait(self, css, *, text="", seconds=PATIENCE_SECONDS):
        """The first element that matches, is seen and holds the text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                for element in self.all(css):
                    if text in element.text:
                        return element
            except StaleElementReferenceException:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{css!r} with {text!r} did not come; page: {self.text()[:1500]}")

    def wait_at_rest(self, css, *, still=0.7, seconds=PATIENCE_SECONDS):
        """The first element that matches, once its place on the page was the same for a while."""
        end = time.monotonic() + seconds
        place, since = None, time.monotonic()
        while time.monotonic() < end:
            element = self.wait(css, seconds=seconds)
            now = self.run(
                "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                "return [r.x + scrollX, r.y + scrollY]",
                css,
            )
            if now != place:
                place, since = now, time.monotonic()
            elif time.monotonic() - since >= still:
                return element
            time.sleep(0.05)
        raise AssertionError(f"{css!r} did not come to rest")

    def wait_until(self, script, *, seconds=PATIENCE_SECONDS):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(f"return {script}"):
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}; page: {self.text()[:1500]}")

    def texts(self, css):
        return self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(e => e.checkVisibility()).map(e => e.innerText)",
            css,
        )

    def text(self):
        return self.run("return document.body.innerText") or ""

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    # -- doing

    def open(self, url):
        self.driver.get(url)
        self.wait(_QUESTION)
        self.wait_until("!!window.askpapers && !!window.askpapers.token()")

    def ask(self, question):
        self.type_into(_QUESTION, question).send_keys(Keys.ENTER)

    def ask_and_wait(self, question, turn):
        self.ask(question)
        return self.wait(f"#turn-{turn}", text=question)

    def type_into(self, css, text):
        """Replace what stands in a field, key by key as a person does."""
        field = self.wait(css)
        field.send_keys(Keys.CONTROL + "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)
        return field

    def click(self, css, *, text=""):
        element = self.wait(css, text=text)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return element

    def choose(self, label, text):
        """Choose in one of Gradio's lists."""
        self.click(f"input[aria-label='{label}']")
        self.click("ul[role=listbox] li", text=text)

    def point_at(self, element):
        """Bring an element into view, let the scrolling end, and move the pointer onto it."""
        self.driver.execute_async_script(
            "arguments[0].scrollIntoView({block: 'center'});"
            "requestAnimationFrame(() => requestAnimationFrame(arguments[1]))",
            element,
        )
        webdriver.ActionChains(self.driver).move_to_element(element).perform()

    def choose_tab(self, name):
        self.run("window.scrollTo(0, 0)")
        self.click("button[role=tab]", text=name)

    def press(self, *keys):
        for key in keys:
            webdriver.ActionChains(self.driver).send_keys(key).perform()

    def resize(self, width, height, *, phone=False):
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def paint(self, scheme):
        """Light or dark, as the system of a person says."""
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    # -- measuring

    def read_requests(self):
        """Every address that was asked for so far, blocked ones too."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                address = parameters.get("url") or parameters["request"]["url"]
                # Only what the page asked for: the browser's own start page is no page of ours.
                if not address.startswith(("chrome://", "chrome-extension://", "devtools://")):
                    self.requests.append((parameters.get("documentURL", ""), address))
        return self.requests

    def find_outside_requests(self, page):
        """What the page at this address asked for and is not of this page; fails if nothing."""
        of_page = [
            address
            for document, address in self.read_requests()
            if document.startswith((page, "about:"))  # a frame's own text has no address
        ]
        assert len(of_page) > 20
        own = (page, page.replace("http", "ws", 1), "data:", "about:", f"blob:{page}")
        return [address for address in of_page if not address.startswith(own)]

    def find_violations(self):
        """What axe-core calls serious or critical: (rule, first element, how many)."""
        self.run(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
        )
        return [
            (rule["id"], rule["nodes"][0]["html"][:200], len(rule["nodes"]))
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]
