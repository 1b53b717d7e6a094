"""Bad files by the thousand: no traceback, no hang, bounded memory.

`python -m tests.fuzz_corpus --files 10000` runs the long form; test_corpus_fuzz.py the short one.
Files are made by breaking good ones of every format at random.
"""

import argparse
import gzip
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from askpapers.corpus import Entry, Rejected, read_file
from askpapers.sentences import split_sentences

_ABSTRACT = "We study a thing that matters. It is 3.5\\% better, i.e. good. " * 3
_GOOD = {
    "page.txt": "new\n\nSubscribe\n\nDaily Papers\n\nbyAK and the research community\n\nOct 23\n\n"
    + "".join(
        f"Title {i}\n\n{_ABSTRACT}\n\n  • {i} authors\n·\nMay {i}, 2023 {i}\n\n"
        for i in range(1, 6)
    ),
    "bare.txt": "Get trending papers in your email inbox!\nSubscribe"
    + "".join(f"Title {i}\n{_ABSTRACT}\n" for i in range(5)),
    "a.jsonl": "".join(
        json.dumps({"title": f"T{i}", "abstract": _ABSTRACT, "authors": ["A"], "date": "2020"})
        + "\n"
        for i in range(5)
    ),
    "a.json": json.dumps([{"title": f"T{i}", "abstract": _ABSTRACT} for i in range(5)], indent=1),
    "a.csv": "title,abstract,year\n" + f'"T, x","{_ABSTRACT}",2020\n' * 5,
    "a.tsv": "title\tabstract\n" + f"T\t{_ABSTRACT}\n" * 5,
    "a.bib": "".join(
        f"@article{{k{i},\n title={{T {{X}}}},\n year=2020,\n abstract={{{_ABSTRACT}}}\n}}\n"
        for i in range(5)
    ),
    "a.ris": f"TY  - JOUR\nTI  - T\nAB  - {_ABSTRACT}\nPY  - 2020\nER  - \n" * 5,
    "a.xml": '<?xml version="1.0"?>\n<feed>'
    + f"<entry>\n<id>x/abs/1v1</id><title>T</title><summary>{_ABSTRACT}</summary></entry>\n" * 5
    + "</feed>",
    "acl.xml": '<collection id="c"><volume id="v"><meta><year>2020</year></meta>\n'
    + f'<paper id="1"><title>T</title><abstract>{_ABSTRACT}</abstract></paper>\n' * 5
    + "</volume></collection>",
}
_INSERTS = [
    b"\x00", b"\xff\xfe", "\u202e".encode(), "\ud800".encode("utf-8", "surrogatepass"), b'"', b"{",
    b"}", b"[" * 3000, b"(" * 3000, b"<a>" * 200, b"]]>", b"<!ENTITY x 'y'>", b"&x;", b"\\", b"@",
    b"@string{", b"TY  - ", b"ER  -", b"\n\n", b"\r", "•".encode(), "·\n".encode(), b"999999999999",
    b"1e999", b"NaN", b"x" * 100_000, b"$" * 500, b". " * 5000, b"\t,;", b"Jan 99, 0000\n",
    b"\x1b[31m", b"Infinity", b"-" * 200, b"\x85", "\u2028".encode(), b"%00", b"=" * 300,
]  # fmt: skip


def break_file(chance):
    """Return (name, bytes) of a file broken in one to four ways."""
    name = chance.choice(sorted(_GOOD))
    data = bytearray(_GOOD[name].encode())
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[place:place] = chance.choice(_INSERTS)
            case 1:
                del data[place : place + chance.randrange(1, 400)]
            case 2 if data:
                data[place % len(data)] = chance.randrange(256)
            case 3:
                data[place:place] = data[: chance.randrange(len(data) + 1)]
            case 4:
                other = _GOOD[chance.choice(sorted(_GOOD))].encode()
                data[place:] = other[chance.randrange(len(other)) :]
            case _:
                data[place:place] = chance.randbytes(chance.randrange(1, 60))
        if not data:
            data = bytearray(b"x")
    if chance.random() < 0.1:
        name, data = f"{name}.gz", bytearray(gzip.compress(bytes(data)))
        if chance.random() < 0.5:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return name, bytes(data)


def run(files, *, seed=0, folder):
    """Read broken files; return (entries, rejections, slowest seconds, growth in KiB).

    Raises whatever a parser lets through: the seed and number of the file are noted on it.
    """
    chance = random.Random(seed)
    taken = rejected = 0
    slowest = 0.0
    before = None
    for number in range(files):
        name, data = break_file(chance)
        path = folder / name
        path.write_bytes(data)
        started = time.perf_counter()
        try:
            items = list(read_file(path, name=name))
        except Exception as exc:
            exc.add_note(f"file {number} of seed {seed}: {name}")
            (folder / "culprit").write_bytes(data)
            raise
        slowest = max(slowest, time.perf_counter() - started)
        for item in items:
            if isinstance(item, Entry):
                taken += 1
                (item.title + item.abstract).encode()  # fails on a lone surrogate
                if "\x00" in item.title + item.abstract:
                    raise AssertionError(f"file {number} of seed {seed}: NUL was taken")
                split_sentences(item.abstract)
            elif isinstance(item, Rejected):
                rejected += 1
                if not item.reason or item.line < 1:
                    raise AssertionError(f"file {number} of seed {seed}: {item}")
        path.unlink()
        if number == min(200, files // 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - (before or 0)
    return taken, rejected, slowest, growth


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken, rejected, slowest, growth = run(
            options.files, seed=options.seed, folder=Path(folder)
        )
    print(
        f"{options.files:,} bad files: 0 tracebacks, {taken:,} listings taken, {rejected:,} "
        f"rejected, slowest {slowest:.2f} s, memory grew by {growth / 1024:.0f} MiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
