"""One question on the page: the queue for the model, the frames that are shown, loading."""

import threading
import time
from types import SimpleNamespace

import pytest

from askpapers.conversation import Conversation
from askpapers.errors import Busy, GenerationFailed, NotFound
from askpapers.ui.answers import render_live
from askpapers.ui.asking import Asking
from askpapers.ui.readiness import Readiness
from askpapers.ui.talks import Ask, Talk, Turn
from askpapers.ui.turnstile import Turnstile
from fakes import made_result
from page_parts import (
    FAST,
    PAPER,
    SENTENCE,
    ReadyNow,
    ScriptedProgram,
    events_of,
    made_answer,
    made_turn,
)


def test_the_turnstile_lets_one_through_and_is_bounded():
    turnstile = Turnstile(max_waiting=1)
    first, second = turnstile.enter(), turnstile.enter()
    assert (first.ahead(), second.ahead()) == (0, 1)
    with pytest.raises(Busy, match="1 questions are waiting"):
        turnstile.enter()
    with first:
        pass
    assert second.ahead() == 0


def test_two_questions_never_have_the_model_at_once_and_the_second_is_told():
    entered, leave = threading.Event(), threading.Event()
    answer = made_answer()
    found, *rest = events_of(answer)

    def hold():
        entered.set()
        assert leave.wait(5)

    program = ScriptedProgram([found, hold, *rest], [found, *rest])
    asking = Asking(program)
    first = asking.run(Talk("a"), Ask("one"))
    assert next(first).found is found
    assert entered.wait(5)
    second = asking.run(Talk("b"), Ask("two"))
    seen = next(second)
    assert seen.found is found  # evidence before the queue
    seen = next(second)
    assert seen.ahead == 1
    leave.set()
    assert list(first)[-1].turn.answer == answer
    assert list(second)[-1].turn.answer == answer


def test_a_full_queue_says_so():
    leave = threading.Event()
    found, *rest = events_of(made_answer())
    program = ScriptedProgram([found, lambda: leave.wait(5), *rest], [found, *rest])
    asking = Asking(program, max_waiting=0)
    first = asking.run(Talk("a"), Ask("one"))
    next(first)
    time.sleep(0.05)
    last = list(asking.run(Talk("b"), Ask("two")))[-1]
    assert isinstance(last.error, Busy)
    assert "wait a moment" in last.error.hint
    leave.set()
    list(first)


def test_frames_show_evidence_first_then_sentences_then_the_turn():
    answer = made_answer()
    talk = Talk("t")
    frames = list(Asking(ScriptedProgram(events_of(answer))).run(talk, Ask("How fast?")))
    assert frames[0].found is not None
    assert frames[0].settled == ()
    assert frames[-2].settled == (SENTENCE,)
    assert talk.turns == [Turn(Ask("How fast?"), answer, (FAST,))]
    assert talk.conversation.numbers == {"p1": 1, "p2": 2}
    assert not talk.busy.locked()


def test_stopping_takes_effect_at_once_and_closes_the_stream():
    going, leave = threading.Event(), threading.Event()
    found, *rest = events_of(made_answer())

    def hold():
        going.set()
        leave.wait(5)

    program = ScriptedProgram([found, hold, *rest])
    talk = Talk("t")
    frames = Asking(program).run(talk, Ask("q"))
    next(frames)
    assert going.wait(5)
    talk.stopping.set()
    started = time.monotonic()
    assert list(frames)[-1].stopped
    assert time.monotonic() - started < 1
    assert talk.turns == []
    assert talk.unfinished == Ask("q")
    leave.set()
    for _ in range(100):
        if program.closed:
            break
        time.sleep(0.02)
    assert program.closed == 1
    assert talk.conversation.answers == []


def test_a_page_that_goes_away_stops_the_answer():
    leave = threading.Event()
    found, *rest = events_of(made_answer())
    program = ScriptedProgram([found, lambda: leave.wait(5), *rest])
    talk = Talk("t")
    frames = Asking(program).run(talk, Ask("q"))
    next(frames)
    frames.close()
    assert talk.stopping.is_set()
    assert not talk.busy.locked()
    leave.set()


def test_a_second_question_in_the_same_conversation_is_refused_while_one_runs():
    talk = Talk("t")
    with talk.busy:
        (frame,) = Asking(ScriptedProgram()).run(talk, Ask("q"))
    assert isinstance(frame.error, Busy)


def test_an_error_is_a_frame_and_a_replaced_turn_comes_back():
    found, *_ = events_of(made_answer())
    program = ScriptedProgram([found, GenerationFailed("It broke.")], [ValueError("odd")])
    talk = Talk("t")
    talk.add(made_turn("before"))
    frames = list(Asking(program).run(talk, Ask("q"), replace_last=True))
    assert frames[-1].error.message == "It broke."
    assert [turn.answer.question for turn in talk.turns] == ["before"]
    assert "terminal" in list(Asking(program).run(talk, Ask("q")))[-1].error.message


def test_quotations_do_not_wait_for_the_model():
    program = ScriptedProgram(events_of(made_answer()))
    asking = Asking(program, max_waiting=0)
    with asking._turnstile.enter():
        frames = list(asking.run(Talk("t"), Ask("q", quote_only=True)))
    assert frames[-1].turn is not None


def test_evidence_is_there_while_the_writing_model_is_still_loaded():
    answer = made_answer()

    class Loading(ReadyNow):
        def find_early_searcher(self):
            class Early:
                def search(self, query, *, filters):
                    assert query == "How fast?"
                    return made_result([PAPER], [FAST])

            return Early()

    program = ScriptedProgram(events_of(answer))
    frames = list(Asking(program, readiness=Loading()).run(Talk("t"), Ask("How fast?")))
    assert [s.n for s in frames[0].found.sources] == [1]
    assert frames[-1].turn.answer == answer


def test_a_follow_up_sees_the_earlier_turns():
    program = ScriptedProgram(events_of(made_answer()))
    talk = Talk("t")
    talk.add(made_turn("first"))
    list(Asking(program).run(talk, Ask("and then?")))
    conversation = program.calls[0][1]["conversation"]
    assert isinstance(conversation, Conversation)
    assert [a.question for a in conversation.answers] == ["first"]


class Loading(ReadyNow):
    """Not ready until told so."""

    can_search = is_done = False
    text = "Building the index: embedding, 1 of 2 papers …"

    def wait(self, seconds):
        time.sleep(min(seconds, 0.01))
        return self.is_done


def test_a_question_asked_too_early_waits_for_the_papers_and_says_so():
    ready = Loading()
    answer = made_answer()
    program = ScriptedProgram(events_of(answer))
    frames = Asking(program, readiness=ready).run(Talk("t"), Ask("How fast?"))
    first = next(frames)
    assert first.loading == ready.text
    assert ready.text in render_live(first, 1)
    assert program.calls == []
    ready.can_search = ready.is_done = True
    assert list(frames)[-1].turn.answer == answer


def test_a_question_asked_too_early_can_be_stopped():
    talk = Talk("t")
    program = ScriptedProgram()
    frames = Asking(program, readiness=Loading()).run(talk, Ask("q"))
    next(frames)
    talk.stopping.set()
    assert list(frames)[-1].stopped
    assert program.calls == []


class Built:
    """A program whose index is built when it is opened; `then` is called in between."""

    settings = SimpleNamespace(answer=SimpleNamespace(quote_only=True))
    judge = None

    def __init__(self, then):
        self.then = then

    def open_index(self, *, progress):
        progress(0, 0, "reading")
        progress(30, 120, "embedding")
        self.then()

    def retriever(self):
        return SimpleNamespace(search=lambda question: None)


def test_readiness_tells_how_much_of_the_index_is_built():
    seen = []
    ready = Readiness(Built(lambda: seen.append((ready.text, ready.share, ready.can_search))))
    ready.start()
    assert ready.wait(5)
    assert seen == [("Building the index: embedding, 30 of 120 papers …", 0.25, False)]
    assert (ready.text, ready.share, ready.can_search) == ("", None, True)


def test_readiness_says_why_the_index_cannot_be_built():
    def fail():
        raise NotFound("There is no file 'x'.", hint="askpapers index FILE")

    ready = Readiness(Built(fail))
    ready.start()
    assert ready.wait(5)
    assert ready.has_failed
    assert not ready.can_search
    assert ready.text == "There is no file 'x'. Try: askpapers index FILE"
