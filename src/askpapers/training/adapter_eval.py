"""Measures the answer adapter through llama.cpp: `python -m askpapers.training.adapter_eval`.

Every answerable question of a split is shown with its gold evidence among distractors, as in
training and without edits; the stock model and the adapter write under the same prompt.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

from askpapers.citations import build_grammar, escape_brackets, find_figures, read_drafts
from askpapers.generation import LlamaCppGenerator, Message, Sampling
from askpapers.metrics.facts import find_numbers
from askpapers.metrics.statistics import estimate_mean
from askpapers.models import Manifest, ModelFile, PathSource, get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.resources import home_folder
from askpapers.support.guard import HARD_KINDS, check_guard
from askpapers.training.adapter_data import (
    Distractors,
    Example,
    Item,
    content_words,
    coverage,
    load_items,
    make_example,
    render_sources,
)

_FREE = "root ::= [^\\x00]*"
WAYS = ("stock", "stock+grammar", "adapter", "adapter+grammar", "adapter+figures")


@dataclass(frozen=True, slots=True)
class Score:
    """One answer measured; shares are 0..1, None where there is nothing to measure.

    Attributes:
        numbers: reference numbers (in words or digits) that the answer states.
        words: content words of the reference that the answer has.
        complete: the answer is made of sentences that end in valid marks.
        right_source: the first sentence cites the gold paper.
        numbers_shown: share of written sentences whose numbers are all in the cited blocks.
        guarded: share of written sentences in which the support guard finds nothing wrong.
        copied: content words of the answer that the cited blocks hold.
        seconds: the whole answer.
        first_token: seconds until the first token.
    """

    id: str
    text: str
    numbers: float | None
    words: float
    complete: float
    right_source: float
    numbers_shown: float | None
    guarded: float | None
    copied: float | None
    seconds: float
    first_token: float


def make_cases(data: Path, split: str, count: int, seed: int) -> list[tuple[Item, Example]]:
    """Return `count` questions of `split` with their evidence and distractors, drawn by `seed`."""
    items = load_items(data, split)
    distractors = Distractors(items)
    rng = random.Random(seed)
    cases = []
    for item in rng.sample(items, len(items)):
        example = make_example(item, distractors, rng)
        if example is not None:
            cases.append((item, example))
        if len(cases) == count:
            break
    return cases


def score(item: Item, example: Example, text: str, seconds: float, first_token: float) -> Score:
    """Compare what was written with the reference and with the blocks shown."""
    blocks = {n: [block.title, *block.sentences] for n, block in enumerate(example.blocks, start=1)}
    gold = read_drafts(example.target)[0].numbers[0]
    drafts = read_drafts(text)
    asked = find_numbers(item.answer)
    clean, known, covered = [], [], []
    for draft in drafts:
        cited = [line for n in draft.numbers for line in blocks.get(n, [])]
        known.append(find_numbers(draft.text) <= find_numbers(" ".join(cited)))
        found = check_guard(draft.text, cited, context=[item.question])
        clean.append(not any(finding.kind in HARD_KINDS for finding in found))
        covered.append(coverage(draft.text, " ".join(cited)))
    wanted = set(content_words(item.answer))
    return Score(
        id=item.id,
        text=text,
        numbers=len(asked & find_numbers(text)) / len(asked) if asked else None,
        words=len(wanted & set(content_words(text))) / len(wanted),
        complete=float(
            bool(drafts) and all(n in blocks for draft in drafts for n in draft.numbers)
        ),
        right_source=float(bool(drafts) and gold in drafts[0].numbers),
        numbers_shown=sum(known) / len(known) if known else None,
        guarded=sum(clean) / len(clean) if clean else None,
        copied=sum(covered) / len(covered) if covered else None,
        seconds=seconds,
        first_token=first_token,
    )


def answer(
    generator: LlamaCppGenerator, example: Example, grammar: str, sampling: Sampling
) -> tuple[str, float, float]:
    """Return the text, and the seconds until it was whole and until it began."""
    user = load_prompt("answer").render(
        question=escape_brackets(example.question), sources=render_sources(example.blocks)
    )
    rendered = generator.render(
        [Message("system", load_prompt("system").render()), Message("user", user)]
    )
    started = time.perf_counter()
    first = None
    pieces = []
    for piece in generator.write(rendered, grammar=grammar, sampling=sampling):
        first = time.perf_counter() - started if first is None else first
        pieces.append(piece)
    seconds = time.perf_counter() - started
    return "".join(pieces), seconds, seconds if first is None else first


def summarise(scores: Sequence[Score]) -> dict[str, object]:
    """Return every share as [mean, low, high, n] (95% bootstrap) and the median seconds."""
    table: dict[str, object] = {}
    shares = ("numbers", "words", "complete", "right_source", "numbers_shown", "guarded", "copied")
    for name in shares:
        values = [getattr(one, name) for one in scores if getattr(one, name) is not None]
        found = estimate_mean(values)
        table[name] = [
            None if value is None else round(value, 3)
            for value in (found.value, found.low, found.high)
        ] + [found.n]
    table["seconds"] = round(median(one.seconds for one in scores), 2)
    table["first_token"] = round(median(one.first_token for one in scores), 2)
    return table


def open_generator(adapter: Path | None, threads: int) -> LlamaCppGenerator:
    """Open the embedded model, with the adapter file over it where one is given."""
    file = get_file(get_manifest("smollm2-135m"), home=home_folder())
    over = None
    if adapter is not None:
        manifest = Manifest(
            name=adapter.stem,
            kind="generator",
            title=adapter.stem,
            licence="Apache-2.0",
            source=PathSource(type="path", path=str(adapter)),
        )
        over = ModelFile(manifest, adapter, adapter.stem)
    return LlamaCppGenerator(file, adapter=over, threads=threads)


def _read_scores(path: Path) -> dict[tuple[str, str], Score]:
    """Return the scores of an interrupted run, by way and question."""
    if not path.exists():
        return {}
    names = {field.name for field in fields(Score)}
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {(row["way"], row["id"]): Score(**{name: row[name] for name in names}) for row in rows}


def _find_grammar(way: str, example: Example, max_sentences: int) -> str:
    if "+" not in way:
        return _FREE
    shown = [render_sources(example.blocks), example.question]
    return build_grammar(
        list(range(1, len(example.blocks) + 1)),
        max_sentences=max_sentences,
        figures=find_figures(shown) if way.endswith("figures") else None,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; prints one line of JSON a way of writing."""
    parser = argparse.ArgumentParser(description="Measure the answer adapter.")
    parser.add_argument("--data", type=Path, required=True, help="folder with abstractqa/")
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--max-sentences", type=int, default=2)
    parser.add_argument("--repeat-penalty", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--answers", type=Path, help="JSON Lines to append to and go on from")
    options = parser.parse_args(arguments)
    cases = make_cases(options.data, options.split, options.count, options.seed)
    sampling = Sampling(max_tokens=options.max_tokens, repeat_penalty=options.repeat_penalty)
    done = _read_scores(options.answers) if options.answers else {}
    for way in options.ways:
        adapter = options.adapter if way.startswith("adapter") else None
        generator = open_generator(adapter, options.threads)
        scores = []
        for item, example in cases:
            found = done.get((way, item.id))
            if found is None:
                grammar = _find_grammar(way, example, options.max_sentences)
                found = score(item, example, *answer(generator, example, grammar, sampling))
                if options.answers:
                    row = {"way": way, "question": item.question, "reference": item.answer}
                    with options.answers.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(row | asdict(found)) + "\n")
            scores.append(found)
        print(json.dumps({"way": way, "n": len(scores), **summarise(scores)}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
