"""Faults done for real to the index: killed builds, damaged files, full disks, races.

`python -m tests.torture` runs the long form and prints a table; test_faults.py the short one.
Work that may be killed or may panic runs in forked children.
"""

import argparse
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from askpapers.errors import AskPapersError
from askpapers.indexing import add_papers, build_index, open_index, rebuild_index, verify_index
from index_parts import HashEmbedder, build_words, make_records, write_records

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


def kill_writers(times, *, adding, seed=0):
    """kill -9 at random moments: the old index or the new one afterwards, nothing between."""
    outcome = Outcome("kill -9 during an addition" if adding else "kill -9 during a build")
    chance = random.Random(seed)
    with workspace() as folder:
        home = folder / "home"
        first = write_records(folder / "a.jsonl", make_records(60))
        in_child(build, home, first)
        for number in range(times):
            old = in_child(describe, home)
            # Each attempt asks for other papers, so that there is always work to do; few of them
            # are put into a copy of the old vector index, many make it anew.
            size = 80 if number % 2 else 2
            other = write_records(folder / "b.jsonl", make_records(size, seed=number + 1))
            work = (add, home, other) if adding else (build, home, first, other)
            reference = folder / "reference"
            shutil.rmtree(reference, ignore_errors=True)
            started = time.monotonic()
            in_child(build, reference, first, other)
            duration = time.monotonic() - started
            new = in_child(answers, reference)
            pid, descriptor = start_child(*work)
            time.sleep(chance.uniform(0, 1.5 * duration))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(descriptor)
            found = in_child(describe, home)
            outcome.note("old" if found == old else "new" if found == new else "neither")
            if found not in (old, new):
                outcome.broken.append(found[:300])
            left = len(list((home / "index").iterdir()))
            if left > 3:
                outcome.broken.append(f"{left} generations lie in the home folder")
        in_child(build, home, first)
        if len(list((home / "index").iterdir())) != 1:
            outcome.broken.append("a whole build left other generations behind")
    return outcome


def damage_files(times, *, how, seed=0):
    """Damage every file of an index in turn; `times` places a file."""
    outcome = Outcome(f"every file {how}")
    chance = random.Random(seed)
    with workspace() as folder:
        sound = folder / "sound"
        corpus = write_records(folder / "a.jsonl", make_records(40))
        in_child(build, sound, corpus)
        right = in_child(describe, sound)
        names = sorted(
            path.relative_to(sound)
            for path in sound.rglob("*")
            if path.is_file() and path.name not in ("writer.lock", "in-use.lock")
        )
        for name in names:
            for _ in range(times):
                home = folder / "home"
                shutil.rmtree(home, ignore_errors=True)
                shutil.copytree(sound, home)
                _damage(home / name, how, chance)
                seen = in_child(answers, home)
                if seen == right:
                    outcome.note("harmless")
                    continue
                outcome.note(f"found ({seen})" if len(seen) < 40 else "wrong")
                if seen not in ("IndexDamaged", "IndexMismatch", "MismatchError", "IndexMissing"):
                    outcome.broken.append(f"{name}: {seen[:300]}")
                # Without a pointer there is nothing to mend: a build begins again.
                again = seen == "IndexMissing"
                mended = in_child(_start_again, home, corpus) if again else in_child(mend, home)
                if mended != right and not str(name).startswith("corpus"):
                    outcome.broken.append(f"{name}: not mended: {mended[:300]}")
    return outcome


def _start_again(home, corpus):
    build(home, corpus)
    return describe(home)


def _damage(path, how, chance):
    data = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
        return
    if how == "cut short":
        data = data[: chance.randrange(len(data))] if data else data
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))


def fill_disks(times, seed=0):
    """Build on small file systems that fill up: an error that says so, and the old index."""
    outcome = Outcome("disk full (tmpfs)")
    chance = random.Random(seed)
    with workspace() as folder:
        first = write_records(folder / "a.jsonl", make_records(20))
        few = write_records(folder / "b.jsonl", make_records(2, seed=1))
        many = write_records(folder / "c.jsonl", make_records(400, seed=2))
        place = folder / "disk"
        place.mkdir()
        for _ in range(times):
            size = chance.randrange(1400, 4500)
            with mounted(place, size) as ready:
                if not ready:
                    outcome.notes["skipped: no right to mount"] = times
                    return outcome
                home = place / "home"
                if in_child(build, home, first) != "built":
                    outcome.note("StorageFailed at the first build")
                    continue
                for more in (few, many):
                    old = in_child(describe, home)
                    said = in_child(build, home, first, more)
                    outcome.note(said if len(said) < 40 else "other")
                    if said not in ("StorageFailed", "built"):
                        outcome.broken.append(f"{size} KiB: {said[-300:]}")
                    if said != "built" and in_child(describe, home) != old:
                        outcome.broken.append(f"{size} KiB: the old index is gone")
    return outcome


@contextmanager
def mounted(place, kibibytes):
    """A small tmpfs at `place`; yields False where mounting isn't allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(place)], check=True)


def read_only_homes(times):
    """A home that cannot be written answers as ever, refuses every change, and loses nothing."""
    outcome = Outcome("read-only home")
    with workspace() as folder:
        folder.chmod(0o755)
        home, damaged = folder / "home", folder / "damaged"
        first = write_records(folder / "a.jsonl", make_records(40))
        second = write_records(folder / "b.jsonl", make_records(20, seed=1))
        in_child(build, home, first)
        right = in_child(describe, home)
        shutil.copytree(home, damaged)
        next(damaged.glob("index/*/vectors.bin")).write_bytes(b"cut short")
        attempts = {
            (describe, home): right,
            (build, home, first, second): "StorageFailed",
            (add, home, second): "StorageFailed",
            (answers, damaged): "IndexDamaged",
            (mend, damaged): "StorageFailed",
            (build, folder / "home" / "new", first): "StorageFailed",
        }
        for wrap in (_unprivileged, _mounted_read_only):
            for (work, place, *paths), expected in list(attempts.items()) * times:
                said = in_child(wrap, folder, work, place, *paths)
                if said == "not allowed":
                    outcome.notes[f"skipped: {wrap.__name__}"] = 1
                    continue
                outcome.note("answered as ever" if said == right else said[:40])
                if said != expected:
                    outcome.broken.append(f"{wrap.__name__} {work.__name__}: {said[-300:]}")
        if in_child(describe, home) != right:
            outcome.broken.append("the index is not what it was")
        if in_child(mend, damaged) != right:
            outcome.broken.append("the damaged index was not mended once it could be written")
    return outcome


def _unprivileged(folder, work, *arguments):
    """Do the work as a user who may read the folder and not write it."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65_534)
        os.setuid(65_534)
    elif os.access(folder, os.W_OK):
        return "not allowed"  # the folder is this user's own
    return work(*arguments)


def _mounted_read_only(folder, work, *arguments):
    """Do the work over a read-only mount of the folder that only this process sees."""
    if os.getuid() != 0:
        return "not allowed"
    # unshare(2), CLONE_NEWNS; Python has it only from 3.12 on
    if ctypes.CDLL(None).unshare(0x00020000) != 0:
        return "not allowed"
    for options in (["--make-rprivate", "/"], ["--bind", folder, folder]):
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
            return "not allowed"
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], capture_output=True, check=True)
    return work(*arguments)


def race_writers(times):
    """Two builds at once: one waits or is told so, and the index is whole."""
    outcome = Outcome("two builds at once")
    with workspace() as folder:
        home = folder / "home"
        first = write_records(folder / "a.jsonl", make_records(60))
        for number in range(times):
            other = write_records(folder / "b.jsonl", make_records(60, seed=number + 1))
            children = [start_child(build, home, *paths) for paths in ((first,), (first, other))]
            said = sorted(_collect(child) for child in children)
            outcome.note(" + ".join(said))
            if said not in (["Busy", "built"], ["built", "built"]):
                outcome.broken.append(str(said)[:300])
            if in_child(describe, home).startswith("unsound"):
                outcome.broken.append("the index is unsound afterwards")
    return outcome


def read_while_writing(times, readers=20):
    """Many readers while the index is replaced again and again: not one error."""
    outcome = Outcome(f"builds during {readers} readers")
    with workspace() as folder:
        home = folder / "home"
        first = write_records(folder / "a.jsonl", make_records(40))
        in_child(build, home, first)
        stop = folder / "stop"
        children = [start_child(_read_until, home, stop) for _ in range(readers)]
        for number in range(times):
            other = write_records(folder / "b.jsonl", make_records(2, seed=number + 1))
            said = in_child(build, home, first, other)
            if said != "built":
                outcome.broken.append(said[:300])
        stop.touch()
        for child in children:
            said = _collect(child)
            if not said.isdecimal():
                outcome.broken.append(said[-300:])
                outcome.note("failed")
            else:
                outcome.tried += int(said)
                outcome.notes["answered"] = outcome.notes.get("answered", 0) + int(said)
    return outcome


def _read_until(home, stop):
    count = 0
    while not stop.exists() or not count:
        with open_index(home) as index:
            for vector in QUERIES:
                matches = index.query("sentences", vector, limit=10)
                for match in matches:
                    paper = index.papers[match.paper_id]
                    if not paper.abstract[match.start : match.end].endswith("."):
                        raise AssertionError(f"{match} is no sentence of {paper.paper_id}")
                count += 1
    return count


def _collect(child):
    pid, descriptor = child
    with os.fdopen(descriptor, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


def jump_clocks(times):
    """Dates of files in the past and the future: nothing is built again, nothing is lost."""
    outcome = Outcome("a clock that jumps")
    with workspace() as folder:
        home = folder / "home"
        corpus = write_records(folder / "a.jsonl", make_records(20))
        in_child(build, home, corpus)
        right = in_child(describe, home)
        for number in range(times):
            moment = (0, 4_102_444_800, 1)[number % 3]
            for path in [corpus, *home.rglob("*")]:
                os.utime(path, (moment, moment))
            said = in_child(_build_quietly, home, corpus)
            outcome.note(said if len(said) < 40 else "failed")
            if said != "unchanged" or in_child(describe, home) != right:
                outcome.broken.append(said[:300])
    return outcome


def _build_quietly(home, corpus):
    info = build_index([corpus], home=home, **PARTS)
    return "built" if info.changed else "unchanged"


def run_all(scale):
    """Yield the outcome of every fault; `scale` 1 is the short form."""
    yield kill_writers(5 * scale, adding=False)
    yield kill_writers(5 * scale, adding=True)
    yield damage_files(scale, how="with a bit flipped")
    yield damage_files(scale, how="cut short")
    yield damage_files(1, how="removed")
    yield fill_disks(4 * scale)
    yield read_only_homes(scale)
    yield race_writers(2 * scale)
    yield read_while_writing(2 * scale)
    yield jump_clocks(3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, default=10, help="1 is the short form")
    scale = parser.parse_args().scale
    import chromadb  # noqa: F401 - once, before the children are forked

    print("| fault | tried | what happened | kept |\n|---|---|---|---|")
    broken = []
    for outcome in run_all(scale):
        notes = ", ".join(f"{count} {what}" for what, count in sorted(outcome.notes.items()))
        kept = "all" if not outcome.broken else f"{len(outcome.broken)} broken"
        print(f"| {outcome.fault} | {outcome.tried} | {notes} | {kept} |", flush=True)
        broken += outcome.broken
        for what in outcome.broken:
            print(f"{outcome.fault}: {what}", file=sys.stderr, flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
