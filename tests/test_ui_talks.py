"""Conversations of the page: saved, found by their token only, listed, forgotten."""

import os

import pytest

from askpapers.ui.talks import MAX_LISTED, MAX_TALKS, Listed, Talk, Talks
from page_parts import (
    made_turn,
)


def test_a_conversation_comes_back_from_disk_under_its_token_only(tmp_path):
    talks = Talks(tmp_path)
    talk = talks.open(None)
    talk.add(made_turn())
    talk.conversation.number_of("p1")
    talks.save(talk)
    again = Talks(tmp_path).open(talk.token)
    assert again.turns == talk.turns
    assert again.conversation.answers == [talk.turns[0].answer]
    assert again.conversation.number_of("p9") == 2
    assert Talks(tmp_path).open("A" * 43).turns == []
    assert talk.token not in "".join(p.name for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("token", ["", "../../etc/passwd", "x" * 5000, "a" * 42 + "/"])
def test_a_token_that_is_none_opens_a_new_conversation(tmp_path, token):
    talk = Talks(tmp_path).open(token)
    assert len(talk.token) == 43
    assert talk.token != token


def test_a_damaged_file_costs_the_conversation_and_not_the_page(tmp_path):
    talks = Talks(tmp_path)
    talk = talks.open(None)
    talk.add(made_turn())
    talks.save(talk)
    next((tmp_path / "conversations").glob("*.json")).write_text("{")
    assert Talks(tmp_path).open(talk.token).turns == []


def test_old_conversations_are_forgotten(tmp_path):
    talks = Talks(tmp_path)
    for _ in range(MAX_TALKS + 3):
        talks.save(talks.open(None))
    assert len(list((tmp_path / "conversations").glob("*.json"))) == MAX_TALKS


def test_taking_a_turn_back_keeps_the_numbers():
    talk = Talk("t")
    talk.conversation.number_of("p1")
    talk.add(made_turn())
    assert talk.take_back() is not None
    assert talk.turns == []
    assert talk.conversation.answers == []
    assert talk.conversation.number_of("p1") == 1


def test_the_list_holds_only_conversations_of_these_tokens_the_last_changed_first(tmp_path):
    talks = Talks(tmp_path)
    made = []
    for number in range(3):
        talk = talks.open(None)
        talk.add(made_turn(f"question {number}"))
        talks.save(talk)
        made.append(talk)
        os.utime(talks._path(talk.token), (number, number))
    empty = talks.open(None)
    tokens = [made[0].token, empty.token, "../../etc", "A" * 43, made[1].token]
    for fresh in (talks, Talks(tmp_path)):
        assert fresh.list_saved(tokens) == [
            Listed(made[1].token, "question 1", 1, 1.0),
            Listed(made[0].token, "question 0", 1, 0.0),
        ]
    assert talks.list_saved(["A" * 43] * MAX_LISTED + [made[0].token]) == []
    talks._path(made[0].token).write_text("{")
    assert [one.token for one in Talks(tmp_path).list_saved(tokens)] == [made[1].token]
