"""What the fault tests stand on: children that may die or panic, and what an index says."""

import os
import signal
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from askpapers.errors import AskPapersError
from askpapers.indexing import add_papers, build_index, open_index, rebuild_index, verify_index
from index_parts import HashEmbedder, build_words

PARTS = {"embedder": HashEmbedder(), "build_lexical": build_words}
QUERIES = HashEmbedder().embed_questions(["sparse graph kernel", "reward policy", "low rank"])


@dataclass
class Outcome:
    """One line of the table: what was done how often, and what was not kept."""

    fault: str
    tried: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def note(self, what):
        self.tried += 1
        self.notes[what] = self.notes.get(what, 0) + 1


def in_child(work, *args, timeout=120):
    """Run `work` in a forked child and return the text that it returns, or what went wrong."""
    pid, descriptor = start_child(work, *args)
    deadline = time.monotonic() + timeout
    with os.fdopen(descriptor, "rb") as pipe:
        said = b""
        os.set_blocking(pipe.fileno(), False)
        while True:
            chunk = pipe.read()
            if chunk:
                said += chunk
            elif chunk == b"":
                break
            elif time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return f"hung for {timeout} s"
            else:
                time.sleep(0.005)
    _, status = os.waitpid(pid, 0)
    return said.decode() if status == 0 else f"died with status {status}: {said.decode()}"


def start_child(work, *args):
    """Fork a child that runs `work`; return its id and a pipe that carries its result."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 0
    try:
        os.close(reading)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)  # a panic of Chroma's prints its own trace
        try:
            said = str(work(*args))
        except AskPapersError as exc:
            said = type(exc).__name__
        except BaseException:
            said, code = traceback.format_exc(), 1
        os.write(writing, said.encode()[:60_000])
        os.close(writing)
    finally:
        os._exit(code)


def build(home, *paths, **options):
    build_index(paths, home=home, **PARTS, **options)
    return "built"


def add(home, *paths):
    add_papers(paths, home=home, **PARTS)
    return "added"


def describe(home):
    """Return what the index answers, or the findings of a full verification."""
    findings = verify_index(home)
    if findings:
        return f"unsound: {findings}"
    return answers(home)


def answers(home):
    """Return everything that a reader can see of an index, as one text.

    The graph is approximate and no two builds of it are alike: what it finds must agree with the
    exact cosines, and only those are compared between indexes.
    """
    with open_index(home, embedder_fingerprint="hash-1") as index:
        exact, strayed = [], []
        for vector in QUERIES:
            for kind in ("passages", "sentences"):
                scores = index.score(kind, vector, paper_ids=sorted(index.papers))
                exact += [(m.item_id, m.start, m.end, round(m.score, 4)) for m in scores]
                known = {match.item_id: match.score for match in scores}
                found = index.query(kind, vector, limit=20)
                best = set(sorted(known, key=known.get, reverse=True)[:20])
                strayed += [m for m in found if abs(known[m.item_id] - m.score) > 1e-3]
                if len(best - {match.item_id for match in found}) > 2:
                    strayed.append((kind, "the nearest are missing"))
        return repr((len(index.papers), sorted(index.papers), exact, strayed))


def mend(home):
    rebuild_index(home=home, **PARTS)
    return describe(home)


@contextmanager
def workspace():
    with tempfile.TemporaryDirectory(prefix="askpapers-torture-") as folder:
        yield Path(folder)
