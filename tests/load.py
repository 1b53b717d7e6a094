"""Load on the real parts: many users of the page at once, or one program asked again and again.

    python -m tests.load --users 50 --minutes 5     the page, over its own protocol, the real model
    python -m tests.load --questions 2000           `App.answer` by quotation, in one process

Each prints one row of a Markdown table under its head, and exits 1 when something was lost, mixed
up or grew. The page's endpoints are closed to Gradio's client library, so the users here speak
what the page's own script speaks: join the queue, then listen to the events of the session.
Without ASKPAPERS_HOME a fresh home is built from the seeds first.
"""

import argparse
import html
import json
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

_READY_SECONDS = 900
_ANSWER_SECONDS = 300
_PAUSE_SECONDS = (0.5, 3.0)
_GROWTH_MIB = 150
"""What may be added between the first third of a run and its end: caches fill, leaks go on."""
_WARM_MINUTES = 2
"""A shorter run is all warm-up, and its memory is shown but not judged."""
_ASKED = re.compile(r'<h3 class="ap-question">(.*?)</h3>', re.DOTALL)
_ERROR = re.compile(r'<p class="ap-error" role="alert">(.*?)</p>', re.DOTALL)


class Page:
    """What the users know of the page: its address and the functions behind its components."""

    def __init__(self, address):
        self.address = address
        self.config = httpx.get(f"{address}/config", timeout=60).json()
        self.components = {item["id"]: item for item in self.config["components"]}
        self.prefix = self.config.get("api_prefix", "")
        self.submit = self._find("submit")
        self.hello = self._find("hello")

    def _find(self, name):
        return next(d for d in self.config["dependencies"] if d["api_name"] == name)

    def place(self, dependency, side, element):
        """Return where a component stands among a function's "inputs" or "outputs"."""
        ids = [self.components[i]["props"].get("elem_id") for i in dependency[side]]
        return ids.index(element)

    def defaults(self, dependency):
        """Return what the untouched components send; a state stays on the server."""
        found = (self.components[i] for i in dependency["inputs"])
        return [None if c["type"] == "state" else c["props"].get("value") for c in found]


class User:
    """One browser tab: a session, and the questions that were answered in it."""

    def __init__(self, page):
        self.page = page
        self.session = secrets.token_hex(8)
        self.client = httpx.Client(base_url=page.address, timeout=httpx.Timeout(60))
        self.answered = []
        self.call(page.hello, [""])

    def call(self, dependency, data):
        """Run a function of the page to its end; return the data of its last event.

        Raises:
            Lost: it was refused, or ended with an error, or not at all.
        """
        body = {
            "data": data,
            "event_data": None,
            "fn_index": dependency["id"],
            "trigger_id": dependency["targets"][0][0],
            "session_hash": self.session,
        }
        joined = self.client.post(f"{self.page.prefix}/queue/join", json=body)
        if joined.status_code == 503:
            raise TurnedAway(joined.json().get("detail", ""))
        if joined.status_code != 200:
            raise Lost(f"status {joined.status_code}: {joined.text[:100]}")
        event = joined.json()["event_id"]
        deadline = time.monotonic() + _ANSWER_SECONDS
        url = f"{self.page.prefix}/queue/data?session_hash={self.session}"
        with self.client.stream("GET", url) as stream:
            for line in stream.iter_lines():
                if time.monotonic() > deadline:
                    raise Lost(f"no answer in {_ANSWER_SECONDS} s")
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "process_completed" and message["event_id"] == event:
                    if not message["success"]:
                        raise Lost(str(message["output"])[:200])
                    return message["output"]["data"]
        raise Lost("the events ended before the answer")

    def ask(self, question):
        """Ask, and check that the page shows the answers to this user's questions alone.

        Raises:
            Lost, TurnedAway, Mixed.
        """
        page = self.page
        data = page.defaults(page.submit)
        data[page.place(page.submit, "inputs", "ap-question")] = question
        output = self.call(page.submit, data)
        live = output[page.place(page.submit, "outputs", "ap-live")]
        talk = output[page.place(page.submit, "outputs", "ap-talk")]
        if isinstance(live, str) and (error := _ERROR.search(live)):
            message = re.sub(r"<[^>]+>", "", html.unescape(error[1]))
            if "busy" in message:
                raise TurnedAway(message)
            raise Lost(message)
        if not isinstance(talk, str):
            raise Lost(f"the last event holds no conversation: {str(talk)[:100]}")
        shown = [html.unescape(text) for text in _ASKED.findall(talk)]
        self.answered.append(question)
        if shown != self.answered:
            raise Mixed(f"asked {self.answered[-2:]}, shown {shown[-2:]}")


class Lost(Exception):
    """A question without an answer."""


class TurnedAway(Exception):
    """The queue was full and said so."""


class Mixed(Exception):
    """A conversation that shows what was not asked in it."""


@dataclass
class Tally:
    """What happened to the questions of all users."""

    counts: Counter = field(default_factory=Counter)
    seconds: list = field(default_factory=list)
    messages: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what, message="", seconds=None):
        with self.lock:
            self.counts[what] += 1
            if message:
                self.messages[f"{what}: {message}"] += 1
            if seconds is not None:
                self.seconds.append(seconds)


def use_page(page, titles, tally, until, seed):
    """Be one user until the time is over; a question under way is waited for."""
    chance = random.Random(seed)
    try:
        user = User(page)
    except (Lost, TurnedAway, httpx.HTTPError) as exc:
        tally.note("lost", f"opening the page: {exc!r}")
        return
    number = 0
    while time.monotonic() < until:
        number += 1
        # No two questions are alike, so that whose answer it is can be told.
        question = f"What is proposed in {chance.choice(titles)}? (user {seed}, question {number})"
        started = time.monotonic()
        try:
            user.ask(question)
            tally.note("answered", seconds=time.monotonic() - started)
        except TurnedAway as exc:
            tally.note("turned away", str(exc))
        except Mixed as exc:
            tally.note("mixed up", str(exc))
            return
        except (Lost, httpx.HTTPError) as exc:
            tally.note("lost", repr(exc))
        time.sleep(chance.uniform(*_PAUSE_SECONDS))


def measure_memory(pid):
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@contextmanager
def served(home):
    """The real page in a process of its own; yields (page, process id) once it has answered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "askpapers", "ui", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as talk:
        environment = {**os.environ, "ASKPAPERS_HOME": str(home)}
        process = subprocess.Popen(command, env=environment, stdout=talk, stderr=talk)
        try:
            yield _wait_for_page(f"http://127.0.0.1:{port}", process, talk), process.pid
        finally:
            process.terminate()
            process.wait(30)


def _wait_for_page(address, process, talk):
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            talk.seek(0)
            raise SystemExit(f"the page ended: {talk.read()[-2000:]}")
        try:
            waiting = "x-askpapers-waiting" in httpx.get(address, timeout=10).headers
            if not waiting:
                page = Page(address)
                User(page).ask("What is group attention?")
                return page
        except (httpx.HTTPError, Lost, TurnedAway):
            pass
        time.sleep(1)
    raise SystemExit("the page was never ready")


def load_page(home, users, minutes):
    """Let many users ask for a while; print the row and return whether all was kept."""
    from askpapers.indexing import open_index

    with served(home) as (page, pid):
        with open_index(home) as index:
            titles = [paper.title for paper in index.papers.values()]
        memory = [measure_memory(pid)]
        tally = Tally()
        started = time.monotonic()
        until = started + 60 * minutes
        threads = [
            threading.Thread(target=use_page, args=(page, titles, tally, until, seed))
            for seed in range(1, users + 1)
        ]
        for thread in threads:
            thread.start()
        for share in (1 / 3, 2 / 3):
            time.sleep(max(0.0, started + 60 * minutes * share - time.monotonic()))
            memory.append(measure_memory(pid))
        for thread in threads:
            thread.join(_ANSWER_SECONDS + 60)
            if thread.is_alive():
                tally.note("lost", "a user still waits")
        memory.append(measure_memory(pid))
    counts, waits = tally.counts, sorted(tally.seconds) or [0.0]
    middle, slow = (waits[int(len(waits) * share)] for share in (0.5, 0.95))
    print(
        "| users | minutes | answered | turned away | lost | mixed up | median s | 95% s |"
        " RSS MiB at start, 1/3, 2/3, end |\n|---|---|---|---|---|---|---|---|---|"
    )
    print(
        f"| {users} | {minutes:g} | {counts['answered']} | {counts['turned away']} |"
        f" {counts['lost']} | {counts['mixed up']} | {middle:.1f} | {slow:.1f} |"
        f" {', '.join(f'{value:.0f}' for value in memory)} |"
    )
    for message, count in tally.messages.most_common(10):
        print(f"{count} x {message}", file=sys.stderr)
    kept = not (counts["lost"] or counts["mixed up"]) and counts["answered"] > 0
    return kept and (minutes < _WARM_MINUTES or memory[-1] - memory[1] < _GROWTH_MIB)


def load_program(home, count):
    """Ask one program many questions by quotation; print the row and return whether it grew."""
    from askpapers.app import App
    from askpapers.settings import load_settings

    program = App(load_settings({}), home=home)
    titles = [paper.title for paper in program.papers().values()]
    memory = []
    statuses = Counter()
    started = time.monotonic()
    for number in range(count):
        question = f"What is proposed in {titles[number % len(titles)]}? (question {number})"
        answer = program.answer(question, quote_only=True)
        if answer.question != question:
            raise SystemExit(f"asked {question!r}, answered {answer.question!r}")
        statuses[answer.status] += 1
        if number in (0, count // 3, 2 * count // 3, count - 1):
            memory.append(measure_memory(os.getpid()))
    seconds = time.monotonic() - started
    program.close()
    print(
        "| questions | seconds | statuses | RSS MiB at first, 1/3, 2/3, last |\n|---|---|---|---|"
    )
    said = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    print(f"| {count} | {seconds:.0f} | {said} | {', '.join(f'{m:.0f}' for m in memory)} |")
    return not statuses["error"] and memory[-1] - memory[min(1, len(memory) - 1)] < _GROWTH_MIB


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--questions", type=int, help="ask so many in one process instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="askpapers-load-") as folder:
        home = Path(os.environ.get("ASKPAPERS_HOME") or folder)
        if arguments.questions:
            return 0 if load_program(home, arguments.questions) else 1
        return 0 if load_page(home, arguments.users, arguments.minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
