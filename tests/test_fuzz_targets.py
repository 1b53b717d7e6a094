"""The targets of the coverage-guided fuzzing on made inputs, and on those that broke them once."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fuzz_coverage

_MARKED = st.lists(
    st.sampled_from(["It works", " ", "\n", "[1]", "[22]", ".", "[", "]", "[1", "\u2028", "e.g. "])
    | st.text(max_size=8)
).map("".join)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ("id", "question", "turns", "claim", "evidence")
_LINES = st.dictionaries(st.sampled_from(_FIELDS), _JSON).map(json.dumps)


@pytest.mark.parametrize("name", sorted(fuzz_coverage.TARGETS))
def test_the_seeds_of_every_target_are_handled(name):
    assert fuzz_coverage.SEEDS[name]
    for seed in fuzz_coverage.SEEDS[name]:
        fuzz_coverage.TARGETS[name](seed)


@settings(deadline=None)
@given(st.binary() | _MARKED.map(str.encode))
@example(b"It works [" + b"1" * 5000 + b"].")
def test_what_a_model_writes_is_read_or_left_out(data):
    fuzz_coverage.drafts(data)


@settings(deadline=None)
@given(
    st.binary() | st.text(alphabet='0123456789.,[]"\\ a').map(lambda text: b"\1\2" + text.encode())
)
def test_a_grammar_names_what_was_shown(data):
    fuzz_coverage.grammar(data)


@settings(deadline=None)
@given(st.binary() | _LINES.map(str.encode))
@example(b"[" * 100_000)
@example(b'{"id": ' * 20_000)
@example(b'{"id": "\\ud800", "question": 1}')
def test_a_line_of_a_batch_is_a_record_or_an_error_object(data):
    fuzz_coverage.lines(data)


@settings(deadline=None)
@given(st.sampled_from(fuzz_coverage.SEEDS["parsers"]), st.data())
def test_a_corpus_file_is_read_or_rejected(seed, data):
    place = data.draw(st.integers(0, len(seed)))
    fuzz_coverage.parsers(seed[:place] + data.draw(st.binary(max_size=40)) + seed[place:])
