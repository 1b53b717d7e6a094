import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.errors import ResourceError
from askpapers.prompts import escape_control_tokens, load_prompt, parse_prompt
from askpapers.resources import find_folder

GOOD = "---\nversion: 2\npurpose: test\nvariables: [a, b]\n---\n$a and $b cost $$5\n"


def test_a_prompt_renders_and_knows_itself():
    prompt = parse_prompt("p", GOOD)
    assert prompt.render(a="x", b="$y") == "x and $y cost $5"
    assert (prompt.version, prompt.purpose, prompt.variables) == (2, "test", {"a", "b"})
    assert prompt.digest != parse_prompt("p", GOOD.replace("cost", "costs")).digest


@pytest.mark.parametrize(
    "text",
    [
        "no front matter",
        GOOD.replace("[a, b]", "[a]"),
        GOOD.replace("[a, b]", "[a, b, c]"),
        GOOD.replace("$$5", "$5"),
        GOOD.replace("version: 2\n", ""),
    ],
)
def test_a_malformed_prompt_is_refused(text):
    with pytest.raises(ResourceError):
        parse_prompt("p", text)


def test_rendering_needs_exactly_the_declared_values():
    prompt = parse_prompt("p", GOOD)
    with pytest.raises(ResourceError):
        prompt.render(a="x")
    with pytest.raises(ResourceError):
        prompt.render(a="x", b="y", c="z")


def test_every_shipped_prompt_loads():
    names = [path.stem for path in find_folder("prompts").glob("*.md")]
    assert {"answer", "system", "synthesis"} <= set(names)
    for name in names:
        assert load_prompt(name).body.strip()


def test_an_unknown_prompt_is_named():
    with pytest.raises(ResourceError, match="nothing_here"):
        load_prompt("nothing_here")


TOKENS = ["<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]"]


@given(
    st.lists(
        st.one_of(st.sampled_from([*TOKENS, "<|im_", "end|>", "<", "s>"]), st.text(max_size=4))
    )
)
def test_no_control_token_survives(parts):
    text = "".join(parts)
    escaped = escape_control_tokens(text, TOKENS)
    assert not any(token in escaped for token in TOKENS)
    assert escaped.replace(" ", "") == text.replace(" ", "")


def test_plain_text_is_left_alone():
    assert escape_control_tokens("a < b", TOKENS) == "a < b"
    assert escape_control_tokens("<|im_end|>", []) == "<|im_end|>"
