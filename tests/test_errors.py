"""The tree of errors equals its drawing, and every error carries what a person needs."""

import re

import pytest

from askpapers import errors
from askpapers.errors import AskPapersError


def all_classes():
    found, queue = [], [AskPapersError]
    while queue:
        cls = queue.pop()
        found.append(cls)
        queue += cls.__subclasses__()
    return [c for c in found if c.__module__ == "askpapers.errors"]


def test_the_drawing_is_the_tree():
    drawn, stack = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    (?P<lead>[│├└─ ]*)(?P<name>[A-Z]\w+)", line)
        if not match:
            continue
        depth = len(match["lead"]) // 4
        stack[depth:] = [match["name"]]
        drawn[match["name"]] = stack[depth - 1] if depth else None
    real = {c.__name__: c.__bases__[0].__name__ for c in all_classes()}
    real["AskPapersError"] = None
    assert drawn == real


def test_exit_codes_are_the_drawn_ones():
    for name, code in re.findall(r"(\w+)\s+exit (\d)", errors.__doc__):
        assert getattr(errors, name).exit_code == int(code)


@pytest.mark.parametrize("cls", all_classes(), ids=lambda c: c.__name__)
def test_a_hint_given_replaces_the_class_one(cls):
    assert cls("It broke.", hint="do this").hint == "do this"
    assert cls("It broke.").hint == cls.hint
    assert str(cls("It broke.")) == "It broke."
    assert cls.exit_code in (2, 3, 4, 5, 6)
