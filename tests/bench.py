"""`make bench`: times of searches and answers, as ratios against a reference in the same run.

The reference is a fixed matrix product, timed between the measured calls: machines are shared
and noisy, and a ratio moves less than a time. Medians of interleaved rounds.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

QUESTIONS = (
    "How many GPU hours does the convolutional deep kernel machine need?",
    "What is group attention?",
    "Which papers study quantization of large language models?",
    "How can sketching speed up Newton's method under constraints?",
    "What limits inference scaling with imperfect verifiers?",
)


def timed(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def reference():
    """About 30 ms on one 2020s core: 8 products of 512 x 512 in float32."""
    a = np.ones((512, 512), dtype=np.float32)
    for _ in range(8):
        a = (a @ a) / 512.0
    return a


def show(name, median, base, count):
    print(f"{name:<32} {median * 1000:8.1f} ms {median / base:8.1f} x reference   n={count}")


def measure(name, calls, rounds):
    """Print the median of every call and its ratio to the reference beside it."""
    times, references = [], []
    for _ in range(rounds):
        for call in calls:
            references.append(timed(reference))
            times.append(timed(call))
    median, base = statistics.median(times), statistics.median(references)
    show(name, median, base, len(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", help="files to index instead of the seeds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-answers", action="store_true")
    options = parser.parse_args()

    from askpapers.app import App
    from askpapers.settings import load_settings

    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("ASKPAPERS_HOME", folder)
        app = App(load_settings())
        if options.corpus:
            seconds = timed(lambda: app.build_index(tuple(options.corpus)))
            print(f"index of {options.corpus}: {seconds:.1f} s")
        started = time.perf_counter()
        app.open_index()
        print(f"{len(app.papers()):,} papers, opened in {time.perf_counter() - started:.1f} s")
        app.search(QUESTIONS[0])
        plain = App(load_settings({"retrieval": {"rerank": False}}))
        plain.search(QUESTIONS[0])
        measure(
            "search, first stage", [lambda q=q: plain.search(q) for q in QUESTIONS], options.rounds
        )
        measure(
            "search, with the reader",
            [lambda q=q: app.search(q) for q in QUESTIONS],
            options.rounds,
        )
        if options.no_answers:
            return
        app.answer(QUESTIONS[0])
        firsts, totals = [], []
        for question in QUESTIONS * options.rounds:
            answer = app.answer(question)
            totals.append(answer.timings.total)
            if answer.timings.first_token is not None:
                firsts.append(answer.timings.first_token)
        base = statistics.median(timed(reference) for _ in range(9))
        for name, values in (("first token of an answer", firsts), ("whole answer", totals)):
            if values:
                median = statistics.median(values)
                show(name, median, base, len(values))
        index = sum(f.stat().st_size for f in Path(app.home).rglob("*") if f.is_file())
        print(f"home folder: {index / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
