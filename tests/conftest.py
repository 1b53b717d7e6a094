"""What all tests share: no network but loopback, no setting from outside, a home of their own."""

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

os.environ["HF_HUB_OFFLINE"] = "1"
for name in list(os.environ):
    if name.startswith("ASKPAPERS_"):
        del os.environ[name]

# No test is timed: machines are shared, and a slow example is no fault.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LOOPBACK = ("127.", "::1", "localhost")
_connect = socket.socket.connect


def _guarded_connect(self, address):
    host = address[0] if isinstance(address, tuple) else ""
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(_LOOPBACK):
        raise AssertionError(f"a test tried to reach {address!r}")
    return _connect(self, address)


socket.socket.connect = _guarded_connect


@pytest.fixture(autouse=True)
def _home(tmp_path_factory, monkeypatch):
    """No test writes to a person's home folder."""
    monkeypatch.setenv("ASKPAPERS_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def window():
    """One real browser for all tests; they fail where there is none."""
    from browser import CHROMIUM, INSTALL, Browser

    assert CHROMIUM, f"these tests need a browser: {INSTALL}"
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(window, page):
    """The window with a new conversation on the page that a file of tests serves."""
    window.resize(1440, 900)
    window.paint("light")
    if window.driver.current_url.startswith(page):
        window.run("sessionStorage.clear()")
    window.open(page)
    return window
