"""The conversation in the terminal: its commands as functions, then a real terminal (a pty)."""

import bisect
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from itertools import pairwise
from pathlib import Path

import pytest

import askpapers
from askpapers.answering import Finished
from askpapers.chat import Chat
from askpapers.domain import Filters
from askpapers.errors import NotFound, UsageError
from page_parts import PAPER, ScriptedProgram, events_of, made_answer, write_corpus

QUESTION = "How fast?"


class OneModel(ScriptedProgram):
    """Answers as scripted, remembers the talk, and has a model named "big" beside its own."""

    def stream(self, question, **options):
        conversation = options["conversation"]
        for event in super().stream(question, **options):
            if isinstance(event, Finished):
                conversation.answers.append(event.answer)
                conversation.numbers |= {s.paper_id: s.n for s in event.answer.sources}
            yield event

    def writer(self, model=None):
        if model not in (None, "big"):
            raise NotFound(f"There is no model {model!r}.", hint="askpapers models list")


@pytest.fixture
def lines():
    return []


def made_chat(lines, *answers):
    program = OneModel(*(events_of(answer) for answer in answers))
    return Chat(program, write=lines.append), program


def said(lines):
    return "\n".join(lines)


def test_an_answer_is_written_sentence_by_sentence_and_then_its_proof(lines):
    chat, _ = made_chat(lines, made_answer())
    assert chat.handle(QUESTION)
    assert "It is quick [1]." in lines
    assert f"[1] {PAPER.title}" in said(lines)
    assert "> It is fast." in said(lines)


def test_filters_and_the_model_hold_for_the_questions_that_follow(lines):
    chat, program = made_chat(lines, made_answer(), made_answer(), made_answer())
    chat.handle("/filter since=2023 until=2024-06 paper=p1 file=a.txt")
    chat.handle("/model big")
    chat.handle(QUESTION)
    chat.handle("/filter")
    chat.handle("/model quotes")
    chat.handle(QUESTION)
    first, second = (options for _, options in program.calls)
    assert first["filters"] == Filters("2023", "2024-06", ("p1",), ("a.txt",))
    assert (first["model"], first["quote_only"]) == ("big", False)
    assert second["filters"] == Filters(None, None, (), ())
    assert second["quote_only"]
    with pytest.raises(UsageError, match="not 'when=2023'"):
        chat.handle("/filter when=2023")
    with pytest.raises(NotFound, match="no model 'none'"):
        chat.handle("/model none")
    chat.handle("/model")
    assert lines[-1] == "quotations"  # what could not be chosen changes nothing


def test_sources_and_abstracts_are_shown_by_their_numbers(lines):
    chat, program = made_chat(lines, made_answer())
    with pytest.raises(UsageError, match="Nothing was asked"):
        chat.handle("/sources")
    chat.handle(QUESTION)
    lines.clear()
    chat.handle("/sources")
    assert PAPER.title in said(lines)
    chat.handle("/open 1")
    assert lines[-1] == program.papers()["p1"].abstract
    with pytest.raises(UsageError, match="no source '7'"):
        chat.handle("/open 7")
    with pytest.raises(UsageError, match="no command '/what'"):
        chat.handle("/what")


def test_the_conversation_is_exported(lines, tmp_path):
    chat, _ = made_chat(lines, made_answer())
    chat.handle(QUESTION)
    chat.handle(f"/export {tmp_path / 'talk.md'}")
    text = (tmp_path / "talk.md").read_text("utf-8")
    assert f"## {QUESTION}" in text
    assert "> It is fast." in text
    chat.handle(f"/export {tmp_path / 'talk.json'}")
    turns = json.loads((tmp_path / "talk.json").read_text("utf-8"))["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION]
    with pytest.raises(UsageError, match=r"\.md or \.json"):
        chat.handle("/export talk.exe")
    with pytest.raises(UsageError, match="cannot be written"):
        chat.handle(f"/export {tmp_path}/nowhere/talk.md")


def test_new_forgets_and_quit_ends(lines):
    chat, _ = made_chat(lines, made_answer())
    chat.handle(QUESTION)
    chat.handle("/new")
    with pytest.raises(UsageError, match="Nothing was asked"):
        chat.handle("/sources")
    chat.handle("/help")
    for command in ("/sources", "/open", "/filter", "/model", "/export", "/new", "/quit"):
        assert command in lines[-1]
    assert chat.handle("  ")
    assert not chat.handle("/quit")


# -- a real terminal

_PROGRAM = """
import fcntl, signal, sys, termios
from pathlib import Path
sys.path[:0] = [{source!r}, {tests!r}]
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests run in the background ignore it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C reaches whoever owns the terminal
from askpapers.chat import run_chat
from page_parts import make_program
run_chat(make_program(Path({home!r}), corpus=Path({corpus!r})))
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
UP, CTRL_C, CTRL_D = "\x1b[A", "\x03", "\x04"
PROMPT = "\x1b[?2004h"  # pasting is asked for at each new line, and only then
COLUMNS = 80
PATIENCE_SECONDS = 90


class Terminal:
    """The chat in a terminal: keys go in, what it shows comes out."""

    def __init__(self, home: Path):
        corpus = write_corpus(home / "corpus")
        here = Path(__file__).parent
        script = _PROGRAM.format(
            source=str(Path(askpapers.__file__).parents[1]),
            tests=str(here),
            home=str(home),
            corpus=str(corpus),
        )
        self.main, terminal = pty.openpty()
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        )
        os.close(terminal)
        self.raw = ""
        self.seen = 0

    def press(self, keys):
        os.write(self.main, keys.encode())

    def type(self, line):
        """Type a line as soon as one is asked for."""
        self.wait(PROMPT, as_it_is=True)
        self.press(line + "\r")

    def wait(self, text, *, as_it_is=False):
        """What was shown since the last wait up to this text, which may hold control sequences."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            new = self.raw[self.seen :]

            def holds(length, new=new):
                return text in (new[:length] if as_it_is else _ESCAPES.sub("", new[:length]))

            if holds(len(new)):
                needed = bisect.bisect_left(range(len(new) + 1), True, key=holds)
                self.seen += needed
                return _ESCAPES.sub("", new[:needed])
            if select.select([self.main], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # the other end is closed
                    self.raw += os.read(self.main, 65536).decode(errors="replace")
            elif self.process.poll() is not None:
                break
        raise AssertionError(f"{text!r} did not come: {self.raw[self.seen :]!r}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self.main)


@pytest.fixture
def terminal(tmp_path):
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


@pytest.mark.real
def test_the_chat_in_a_real_terminal(terminal, tmp_path):
    terminal.type("What is group attention in RITA?")
    assert re.search(r"\w \[1\]\.", terminal.wait("Sources"))
    drafts = re.findall(r"\x1b\[2m(.*?)\x1b\[0m", terminal.raw)
    assert any(
        later.startswith(draft) and len(later) > len(draft) for draft, later in pairwise(drafts)
    )
    assert max(len(draft) for draft in drafts) < COLUMNS

    terminal.type("and its memory cost?")
    assert "RITA" in terminal.wait("Sources").partition("(searched:")[2].partition(")")[0]
    terminal.wait(PROMPT, as_it_is=True)
    terminal.press(UP + UP)
    terminal.wait("What is group attention in RITA?")
    terminal.press("\r")
    terminal.wait("Sources")
    terminal.type("/open 1")
    terminal.wait("timeseries")
    terminal.wait(PROMPT, as_it_is=True)
    terminal.press("/exp\t")
    terminal.wait("ort")
    terminal.press(f" {tmp_path / 'talk.md'}\r")
    terminal.wait("Written to")
    assert (tmp_path / "talk.md").read_text("utf-8").count("## ") == 3

    terminal.type("slowly: What lowers the memory cost of attention?")
    terminal.wait("\x1b[2mKVSqueeze", as_it_is=True)
    terminal.press(CTRL_C)
    assert "Sources" not in terminal.wait("(stopped)")
    terminal.wait(PROMPT, as_it_is=True)
    terminal.press("half a line" + CTRL_C)
    terminal.type("/nonsense")
    terminal.wait("There is no command '/nonsense'")
    terminal.type("How many GPU hours does the DKM model need?")
    terminal.wait("77 GPU hours")
    terminal.wait(PROMPT, as_it_is=True)
    terminal.press(CTRL_D)
    assert terminal.process.wait(30) == 0
