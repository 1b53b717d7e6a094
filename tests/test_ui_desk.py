"""What the ask tab does, without a browser."""

import threading
from types import SimpleNamespace

import pytest

from askpapers.domain import Filters
from askpapers.errors import UsageError
from askpapers.ui.desk import Choices, Desk
from page_parts import (
    ReadyNow,
    ScriptedProgram,
    events_of,
    made_answer,
    made_turn,
)


def made_desk(tmp_path, *scripts):
    return Desk(ScriptedProgram(*scripts, home=tmp_path), readiness=ReadyNow())


def test_the_desk_shows_evidence_before_the_answer_and_saves_the_turn(tmp_path):
    desk = made_desk(tmp_path, events_of(made_answer()))
    talk, first = desk.open_talk(None)
    assert "Ask a question" in first.talk
    views = list(desk.ask(talk, "How fast?", Choices()))
    with_proof = next(i for i, view in enumerate(views) if view.proof)
    with_sentence = next(i for i, view in enumerate(views) if "It is quick." in (view.live or ""))
    assert with_proof < with_sentence
    assert views[-1].status == "Done: 1 sentence from 1 paper."
    assert not views[-1].is_busy
    other = made_desk(tmp_path)
    assert "It is quick." in other.open_talk(talk.token)[1].talk


def test_the_desk_reports_a_bad_filter_beside_the_question(tmp_path):
    desk = made_desk(tmp_path)
    talk, _ = desk.open_talk(None)
    views = list(desk.ask(talk, "q", Choices(since="soon")))
    assert "not &#x27;soon&#x27;" in views[-1].live


def test_retry_wider_and_requery_replace_the_last_turn(tmp_path):
    desk = made_desk(tmp_path, *(events_of(made_answer()) for _ in range(4)))
    talk, _ = desk.open_talk(None)
    list(desk.ask(talk, "q", Choices(since="2023", model="big", files=("a.txt",))))
    for action, data in (("retry", {}), ("requery", {"query": "other words"}), ("wider", {})):
        list(desk.act(talk, action, data))
        assert len(talk.turns) == 1
    options = [options for _, options in desk.program.calls]
    assert options[1]["filters"] == Filters("2023", None, (), ("a.txt",))
    assert options[1]["model"] == "big"
    assert options[2]["search_query"] == "other words"
    assert options[3]["abstain_below"] == 0.0
    assert options[3]["filters"] == Filters()
    with pytest.raises(UsageError, match="no action 'explode'"):
        list(desk.act(talk, "explode", {}))


def test_retry_before_any_question_is_an_error(tmp_path):
    desk = made_desk(tmp_path)
    with pytest.raises(UsageError, match="Nothing was asked"):
        list(desk.act(desk.open_talk(None)[0], "retry", {}))


def test_a_conversation_that_is_left_draws_nothing_more(tmp_path):
    leave = threading.Event()
    found, *rest = events_of(made_answer())
    desk = made_desk(tmp_path, [found, lambda: leave.wait(5), *rest])
    talk, _ = desk.open_talk(None)
    drawn = []
    begun = threading.Event()

    def draw():
        for view in desk.ask(talk, "q", Choices()):
            drawn.append(view)
            if view.proof:
                begun.set()

    drawing = threading.Thread(target=draw)
    drawing.start()
    assert begun.wait(5)
    other, view = desk.change_talk(talk.token, None)
    count = len(drawn)
    assert other is not talk
    assert view.live == ""
    leave.set()
    drawing.join(5)
    assert len(drawn) == count
    assert (drawn[-1].talk, drawn[-1].live, drawn[-1].proof) == (None, None, None)
    assert desk.change_talk(other.token, talk.token)[0] is talk


def test_the_list_of_earlier_conversations_is_escaped_and_empty_without_any(tmp_path):
    desk = made_desk(tmp_path)
    assert desk.list_older([]) == ""
    talk, _ = desk.open_talk(None)
    talk.add(made_turn("<b>bold</b>?"))
    desk.talks.save(talk)
    html = desk.list_older([talk.token])
    assert "&lt;b&gt;bold" in html
    assert "1 question " in html
    assert "Earlier conversations (1)" in html


def test_an_empty_conversation_shows_how_far_loading_is(tmp_path):
    desk = made_desk(tmp_path)
    desk.readiness = SimpleNamespace(can_search=False, has_failed=False, text="Busy <1>", share=0.5)
    html = desk.open_talk(None)[1].talk
    assert "Busy &lt;1&gt;" in html
    assert 'value="0.500"' in html
    desk.readiness = SimpleNamespace(can_search=False, has_failed=True, text="No.", share=None)
    assert 'role="alert">No.' in desk.open_talk(None)[1].talk
