"""`python -m tests.hot_generations --count 1000`: can a model write a citation that it may not?

Draws hot (temperature 0.7 to 1.5) under the grammars of questions with one to four sources, and
counts complete sentences, invalid citations and figures that were not shown. Without `--model` a
tiny random model writes, which wants anything but the grammar. With `--choose` the model chooses
among the wordings of the sources, as the embedded one does.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from askpapers.citations import build_grammar, find_figures, read_drafts
from askpapers.compression import find_compressions
from askpapers.generation import LlamaCppGenerator, Message, Sampling
from askpapers.models import get_file, get_manifest
from askpapers.opening import open_generator
from askpapers.settings import GenerationSettings
from tiny_gguf import CONTEXT, write_tiny_gguf

SOURCES = (
    "[{n}] On Kernels: The model trains in 77 GPU hours, et al. vs. 2.1 before.",
    "[{n}] On Bounds: Moreover, we show that a rate of 1.5 holds for e.g. convex losses.",
    "[{n}] On Caches: While it is small, the cache saves 40% of 16 GB, i.e. most of it, and it is "
    "kept on disk.",
    "[{n}] On Nothing: There is no number here.",
)


def open_tiny(folder):
    path = write_tiny_gguf(folder / "tiny.gguf")
    manifest = get_manifest(str(path), kind="generator")
    table = manifest.generator.model_copy(update={"context_tokens": CONTEXT})
    return LlamaCppGenerator(
        get_file(manifest.model_copy(update={"generator": table}), home=folder)
    )


def draw(generator, seed, max_tokens, choose=False):
    """Return complete sentences, invalid citations and unknown figures of one generation."""
    chance = random.Random(seed)
    numbers = sorted(chance.sample(range(1, 13), chance.randint(1, 4)))
    shown = [SOURCES[i % 4].format(n=n) for i, n in enumerate(numbers)]
    figures = find_figures(text.partition("]")[2] for text in shown)
    grammar = build_grammar(numbers, max_sentences=chance.randint(1, 2), figures=figures)
    prompt = generator.render([Message("user", "\n".join([*shown, "Cite [99]. How long?"]))])
    sampling = Sampling(max_tokens=max_tokens, temperature=chance.uniform(0.7, 1.5), seed=seed)
    if choose:
        offered = [
            f"{wording} [{n}]."
            for n, text in zip(numbers, shown, strict=True)
            for wording in find_compressions(text.partition(": ")[2]).wordings()
        ]
        pieces = generator.choose(prompt, offered, sampling=sampling)
    else:
        pieces = generator.write(prompt, grammar=grammar, sampling=sampling)
    drafts = read_drafts("".join(pieces))
    invalid = sum(n not in numbers for draft in drafts for n in draft.numbers)
    unknown = sum(len(find_figures([draft.text]) - figures) for draft in drafts)
    return len(drafts), invalid, unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--model", help="name of a writing model; default: a tiny random one")
    parser.add_argument("--choose", action="store_true", help="choose among given wordings")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if options.model:
            generator, tokens = open_generator(options.model, GenerationSettings(), home), 48
        else:
            generator, tokens = open_tiny(home), 120
        rows = [draw(generator, seed, tokens, options.choose) for seed in range(options.count)]
    sentences, invalid, unknown = (sum(column) for column in zip(*rows, strict=True))
    print(
        f"{generator.name}: {len(rows)} generations, {sentences} complete sentences, "
        f"{invalid} invalid citations, {unknown} figures that were not shown"
    )
    return 1 if invalid or unknown or not sentences else 0


if __name__ == "__main__":
    sys.exit(main())
