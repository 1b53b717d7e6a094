"""Faults done for real: killed builds, damaged files, full disks, races, cut models.

`python -m tests.torture` runs the long form and prints a table; test_faults.py the short one.
Work that may be killed or may panic runs in forked children.
"""

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from askpapers.errors import AskPapersError
from askpapers.indexing import build_index, open_index
from askpapers.indexing.generations import read_current, sum_fields
from askpapers.indexing.opening import _check_files, _read_manifest
from askpapers.indexing.truth import is_head_altered, read_entries
from askpapers.models import get_file, get_manifest
from askpapers.opening import open_generator
from askpapers.settings import GenerationSettings
from index_parts import make_records, write_records
from torture_parts import (
    PARTS,
    QUERIES,
    Outcome,
    add,
    answers,
    build,
    describe,
    in_child,
    mend,
    start_child,
    workspace,
)


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


def damage_files(times, *, how, adding=False, seed=0):
    """Damage every file of an index in turn; `times` places a file.

    What is not found at opening must be harmless, or be found by a full verification: the corpus
    file is not needed to answer. What is found must be mended, the corpus by reading the sources.
    """
    outcome = Outcome(f"every file {how}{', after an addition' if adding else ''}")
    chance = random.Random(seed)
    with workspace() as folder:
        sound = folder / "sound"
        corpora = [write_records(folder / "a.jsonl", make_records(40))]
        in_child(build, sound, *corpora)
        if adding:
            corpora.append(write_records(folder / "b.jsonl", make_records(2, seed=1)))
            in_child(add, sound, corpora[-1])
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
                where = _damage(home / name, how, chance)
                seen = in_child(answers, home)
                if seen == right and in_child(describe, home) == right:
                    outcome.note("harmless")
                    continue
                if seen == right:
                    outcome.note("found by verification")
                elif seen in ("IndexDamaged", "IndexMismatch", "IndexMissing"):
                    outcome.note("found at opening")
                else:
                    outcome.note("wrong")
                    outcome.broken.append(f"{name} {where}: {seen[:300]}")
                # Without a pointer there is nothing to mend: a build begins again.
                again = seen in (right, "IndexMissing")
                mended = in_child(_start_again, home, *corpora) if again else in_child(mend, home)
                if mended != right:
                    outcome.broken.append(f"{name} {where}: not mended: {mended[:300]}")
    return outcome


def _start_again(home, *corpora):
    build(home, *corpora, force=True)
    return describe(home)


def _damage(path, how, chance):
    """Damage a file and return where."""
    data = bytearray(path.read_bytes())
    if how == "removed" or not data:
        path.unlink()
        return "as a whole"
    place = chance.randrange(len(data))
    if how == "cut short":
        data = data[:place]
    else:
        bit = chance.randrange(8)
        data[place] ^= 1 << bit
        place = f"{place}, bit {bit}"
    path.write_bytes(bytes(data))
    return f"at byte {place}"


def flip_bits(times, *, adding=False, seed=0):
    """Flip bits in every file, `times` in each: found by a sum, or harmless.

    The sums are those that an opening and a verification compare, here without the rest of it,
    which takes a hundred times as long; what they pass over must answer as ever.
    """
    outcome = Outcome(f"bits flipped, by sums alone{', after an addition' if adding else ''}")
    chance = random.Random(seed)
    with workspace() as folder:
        home = folder / "home"
        corpora = [write_records(folder / "a.jsonl", make_records(40))]
        in_child(build, home, *corpora)
        if adding:
            in_child(add, home, write_records(folder / "b.jsonl", make_records(2, seed=1)))
        right = in_child(describe, home)
        sound = folder / "sound"
        shutil.copytree(home, sound)
        for path in sorted(path for path in sound.rglob("*") if path.stat().st_size):
            name = path.relative_to(sound)
            for _ in range(times if path.is_file() else 0):
                where = _damage(home / name, "with a bit flipped", chance)
                finding = find_by_sums(home)
                if finding:
                    outcome.note("found")
                else:
                    seen = in_child(describe, home)
                    outcome.note("harmless" if seen == right else "wrong")
                    if seen != right:
                        outcome.broken.append(f"{name} {where}: {seen[:300]}")
                shutil.copyfile(path, home / name)
    return outcome


def find_by_sums(home):
    """Return what the sums of an index and of its corpus say, "" for nothing."""
    try:
        current = read_current(home)
        for finding in _check_files(current.index, _read_manifest(current.index), summed=True):
            return finding
        for _ in read_entries(current.corpus):
            pass
        return "the head is altered" if is_head_altered(current.corpus) else ""
    except AskPapersError as exc:
        return exc.message


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


def cut_models(times, seed=0):
    """The writing model's file cut short: refused before llama.cpp sees it, as damage."""
    outcome = Outcome("the model's GGUF cut short")
    chance = random.Random(seed)
    with workspace() as folder:
        whole = get_file(get_manifest("smollm2-135m"), home=folder).path.read_bytes()
        cut = folder / "cut.gguf"
        cut.write_bytes(whole)
        if in_child(_open_model, cut) != "opened":
            outcome.broken.append("the whole file cannot be opened")
        for _ in range(times):
            cut.write_bytes(whole[: int(len(whole) ** chance.random())])
            said = in_child(_open_model, cut)
            outcome.note("refused as damaged" if said == "ModelDamaged" else said[:40])
            if said != "ModelDamaged":
                outcome.broken.append(said[-300:])
    return outcome


def _open_model(path):
    open_generator(str(path), GenerationSettings(), path.parent)
    return "opened"


def change_formats(times):
    """A home that another version wrote: refused by name, and made again from the papers."""
    outcome = Outcome("a home of another version's format")
    with workspace() as folder:
        home = folder / "home"
        corpus = write_records(folder / "a.jsonl", make_records(20))
        in_child(build, home, corpus)
        right = in_child(describe, home)
        for number in range(times):
            pointer = home / "current.json"
            fields = json.loads(pointer.read_text()) | {"format": 90 + number}
            fields["sum"] = sum_fields(fields)
            pointer.write_text(json.dumps(fields))
            refused, said = in_child(describe, home), in_child(_build_quietly, home, corpus)
            outcome.note("refused, then built anew" if said == "built" else said[:40])
            if refused != "MismatchError" or in_child(describe, home) != right:
                outcome.broken.append(f"{refused}: {said}"[:300])
    return outcome


def _build_quietly(home, corpus):
    info = build_index([corpus], home=home, **PARTS)
    return "built" if info.changed else "unchanged"


def run_all(scale, seed=0, only=()):
    """Yield the outcome of every fault; `scale` 1 is the short form."""
    for fault, arguments, options in _list_faults(scale, seed):
        if not only or fault.__name__ in only:
            yield fault(*arguments, **options)


def _list_faults(scale, seed):
    """Yield (function, arguments, options) of every fault in the order of the table."""
    yield kill_writers, (5 * scale,), {"adding": False, "seed": seed}
    yield kill_writers, (5 * scale,), {"adding": True, "seed": seed}
    for adding in (False, True):
        yield flip_bits, (20 * scale,), {"adding": adding, "seed": seed}
        for how in ("with a bit flipped", "cut short"):
            yield damage_files, (scale,), {"how": how, "adding": adding, "seed": seed}
    yield damage_files, (1,), {"how": "removed"}
    yield fill_disks, (4 * scale,), {"seed": seed}
    yield read_only_homes, (scale,), {}
    yield race_writers, (2 * scale,), {}
    yield read_while_writing, (2 * scale,), {}
    yield jump_clocks, (3,), {}
    yield cut_models, (3 * scale,), {"seed": seed}
    yield change_formats, (scale,), {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, default=10, help="1 is the short form")
    parser.add_argument("--only", nargs="*", default=[], help="run these functions alone")
    parser.add_argument("--seed", type=int, default=0, help="of the places and moments")
    options = parser.parse_args()
    import chromadb  # noqa: F401 - once, before the children are forked

    print("| fault | tried | what happened | kept |\n|---|---|---|---|")
    broken = []
    for outcome in run_all(options.scale, options.seed, options.only):
        notes = ", ".join(f"{count} {what}" for what, count in sorted(outcome.notes.items()))
        kept = "all" if not outcome.broken else f"{len(outcome.broken)} broken"
        print(f"| {outcome.fault} | {outcome.tried} | {notes} | {kept} |", flush=True)
        broken += outcome.broken
        for what in outcome.broken:
            print(f"{outcome.fault}: {what}", file=sys.stderr, flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
