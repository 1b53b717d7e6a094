"""Coverage-guided fuzzing (atheris): inputs grow towards the branches not yet taken.

    python -m tests.fuzz_coverage parsers -runs=100000 -max_total_time=120
    python -m tests.fuzz_coverage drafts
    python -m tests.fuzz_coverage grammar
    python -m tests.fuzz_coverage lines

What follows the target goes to libFuzzer. A finding is any exception; libFuzzer writes the input
into a file `crash-...` and exits with an error. `make fuzz` runs all targets for a while;
test_fuzz_targets.py runs them on made inputs.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import atheris

    with atheris.instrument_imports(include=["askpapers"]):
        # counted are the branches of what is imported here
        import askpapers.citations
        import askpapers.contract
        import askpapers.corpus.reading  # noqa: F401

import fuzz_corpus
from askpapers import contract
from askpapers.citations import build_grammar, escape_brackets, find_figures, read_drafts
from askpapers.corpus import Entry, Rejected, read_file
from askpapers.errors import CorpusError, UsageError

SUFFIXES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".bib", ".ris", ".xml")
_FOLDER = tempfile.TemporaryDirectory(prefix="askpapers-fuzz-")


def parsers(data):
    """Read bytes as a corpus file; the first byte chooses the suffix, which hints at a format."""
    if not data:
        return
    path = Path(_FOLDER.name) / f"a{SUFFIXES[data[0] % len(SUFFIXES)]}"
    path.write_bytes(data[1:])
    for item in read_file(path, name=path.name):
        if isinstance(item, Rejected):
            assert item.reason
            assert item.line >= 1
        else:
            assert isinstance(item, Entry)
            text = item.title + item.abstract
            text.encode()  # fails on a lone surrogate
            assert "\x00" not in text


def drafts(data):
    """Read bytes as what a model wrote: sentences without brackets, each with its numbers."""
    for draft in read_drafts(data.decode("utf-8", "replace")):
        assert draft.text.endswith(".")
        assert not set("[]\n") & set(draft.text)
        assert draft.numbers
        assert len(set(draft.numbers)) == len(draft.numbers)


def grammar(data):
    """Build a grammar from what a prompt may show: it names those numbers and figures alone."""
    text = data[3:].decode("utf-8", "replace")
    figures = find_figures([text])
    numbers = [byte % 16 for byte in data[:2]]
    try:
        written = build_grammar(numbers, max_sentences=len(data) % 4, figures=figures)
    except UsageError:
        assert not numbers or min(numbers) < 1 or len(data) % 4 < 1
        return
    rules = dict(line.split(" ::= ", 1) for line in written.split("\n"))
    assert set(rules) == {"root", "mark", "sentence", "plain"} | ({"figure"} if figures else set())
    shown = rules.get("figure", "").split(" | ") if figures else []
    assert {json.loads(figure) for figure in shown} == figures
    assert not set("[]\n") & set(escape_brackets(text))


def lines(data):
    """Handle bytes as a line of a batch: a record or an error object, one line of JSON each."""
    line = data.decode("utf-8", "replace").strip()
    for model in (contract.QuestionLine, contract.ClaimLine):
        try:
            contract.parse_line(model, line)
        except CorpusError as exc:
            record = contract.ErrorRecord(id=contract.find_id(line), error=exc.message)
            written = contract.dump(record)
            written.encode()
            assert "\n" not in written
            assert json.loads(written)["status"] == "error"


TARGETS = {target.__name__: target for target in (parsers, drafts, grammar, lines)}
SEEDS = {
    "parsers": [
        bytes([SUFFIXES.index(f".{name.rpartition('.')[2]}")]) + text.encode()
        for name, text in sorted(fuzz_corpus._GOOD.items())
    ],
    "drafts": [
        b"It needs 2.1 GPU hours, e.g. on one card [1]. Wu et al. agree [2][1].",
        b"Yes: the bound is tight [1].\nNo, k-means fails [1]",
    ],
    "grammar": [b"\x01\x02\x03It takes 2.1 hours on 1,000 of 40."],
    "lines": [
        b'{"id": "a", "question": "What is it?"}',
        b'{"id": 3, "turns": ["What is it?", "And \\ud83d\\ude00?"]}',
        b'{"id": null, "claim": "It works.", "evidence": ["It does."]}',
    ],
}


def main():
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        raise SystemExit(f"a target, one of: {', '.join(TARGETS)}")

    with tempfile.TemporaryDirectory(prefix="askpapers-seeds-") as folder:
        for number, seed in enumerate(SEEDS[name]):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
