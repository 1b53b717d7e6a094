"""The page without a browser: conversations, the queue, frames, regions, exports, the guard."""

import json
import socket
import threading
import time

import numpy as np
import pytest

from askpapers.answering import Drafted, Finished, Found, Settled
from askpapers.conversation import Conversation
from askpapers.domain import Answer, Citation, Filters, Sentence, Source, Timings, Usage
from askpapers.errors import Busy, GenerationFailed, UsageError
from askpapers.evals.cases import CaseRecord
from askpapers.ui.answers import anchor_of, render_live, render_talk
from askpapers.ui.asking import Asking, Frame, Waiting
from askpapers.ui.desk import Choices, Desk
from askpapers.ui.exporting import export_talk, write_plain
from askpapers.ui.feedback import Feedback
from askpapers.ui.mapping import group, make_map, name_groups, project, render_map
from askpapers.ui.proof import mark_abstract, render_proofs
from askpapers.ui.serving import Guard, WaitingPage, bind_port, check_exposure, make_gate
from askpapers.ui.talks import MAX_TALKS, Ask, Talk, Talks, Turn
from askpapers.ui.turnstile import Turnstile
from fakes import evidence_of, made_paper, made_result

PAPER = made_paper("p1", "RITA: Group Attention", "It clusters. It is fast. It wins.", date="2023")
OTHER = made_paper("p2", "Other & <b>bold</b>", "Nothing here.", authors=("A. One", "B. Two"))
FAST = evidence_of(PAPER, "It is fast.")
SENTENCE = Sentence("It is quick.", "written", (1,), "supported", 0.9, (Citation(1, FAST),))


def made_answer(question="How fast?", *, status="answered", **fields):
    is_answer = status == "answered"
    values = {
        "question": question,
        "search_query": question,
        "status": status,
        "reason": None if is_answer else "none of these papers is about this",
        "text": "It is quick [1]." if is_answer else "The papers here do not answer this question.",
        "sentences": (SENTENCE,) if is_answer else (),
        "sources": (
            Source(1, "p1", PAPER.title, "2023", cited=is_answer, read=is_answer),
            Source(2, "p2", OTHER.title, None, cited=False, read=False),
        ),
        "dropped": (),
        "nearest": () if is_answer else (PAPER,),
        "usage": Usage(100, 10, 2048),
        "timings": Timings(0.1, 0.2, 0.5),
    }
    return Answer(**(values | fields))


def made_turn(question="How fast?", **fields):
    return Turn(Ask(question), made_answer(question, **fields), (FAST,))


class ScriptedProgram:
    """Streams the events it was given, one list a question; a callable is called instead."""

    def __init__(self, *scripts, home=None):
        self.scripts = list(scripts)
        self.calls = []
        self.closed = 0
        self.home = home

    def stream(self, question, **options):
        self.calls.append((question, options))
        try:
            for step in self.scripts.pop(0):
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    step()
                    continue
                yield step
        finally:
            self.closed += 1

    def papers(self):
        return {"p1": PAPER, "p2": OTHER}

    def model_name(self, model=None):
        return model or "scripted"

    def check_filters(self, *, since, until, paper_ids, files):
        if since == "soon":
            raise UsageError("A date is YYYY, not 'soon'.", hint="--since 2023-05")
        return Filters(since, until, paper_ids, files)


class ReadyNow:
    can_search = is_done = True
    text = ""

    def find_early_searcher(self):
        return None


def events_of(answer):
    found = Found(made_result([PAPER, OTHER], [FAST]), answer.sources)
    return [found, Drafted("It is qu"), Settled(SENTENCE), Finished(answer)]


# -- conversations


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


# -- the queue


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


# -- one question as frames


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


# -- the desk


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


# -- HTML


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'


def test_every_text_is_escaped():
    paper = made_paper("p1", HOSTILE, f"{HOSTILE} stays. It is fast.")
    evidence = evidence_of(paper, f"{HOSTILE} stays.")
    sentence = Sentence(HOSTILE, "quoted", (1,), "supported", 1.0, (Citation(1, evidence),))
    answer = made_answer(
        HOSTILE,
        sentences=(sentence,),
        text=HOSTILE,
        sources=(Source(1, "p1", HOSTILE, HOSTILE, cited=True, read=True),),
        search_query=HOSTILE,
    )
    turn = Turn(Ask(HOSTILE), answer, (evidence,))
    frame = Frame(Ask(HOSTILE), draft=HOSTILE, error=GenerationFailed(HOSTILE, hint=HOSTILE))
    html = render_talk([turn]) + render_proofs([turn], {"p1": paper}) + render_live(frame, 2)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_a_chip_names_a_mark_that_exists_and_ids_are_unique():
    turns = [made_turn(), made_turn("Again?")]
    html = render_talk(turns)
    proofs = render_proofs(turns, {"p1": PAPER, "p2": OTHER})
    for number in (1, 2):
        anchor = anchor_of(number, 1, FAST)
        assert f'data-goto="{anchor}"' in html
        assert proofs.count(f'id="{anchor}"') == 1
    assert proofs.count(" hidden") == 1


def test_marks_hold_exactly_their_sentence_even_when_they_overlap():
    whole = evidence_of(PAPER, "It clusters. It is fast.")
    from askpapers.ui.proof import _Marked

    html = mark_abstract(PAPER.abstract, [_Marked(whole, True), _Marked(FAST, False)], 1, 1)
    assert html == (
        '<mark id="t1-s1-c0-24" class="ap-cited" tabindex="-1" data-of="t1-s1-c0-24">'
        "It clusters. </mark>"
        '<mark id="t1-s1-c13-24" class="ap-cited" tabindex="-1" data-of="t1-s1-c0-24 t1-s1-c13-24">'
        "It is fast.</mark> It wins."
    )


def test_verdicts_are_words_and_an_abstention_offers_more():
    partial = Sentence("Maybe.", "written", (1,), "partial", 0.5, (Citation(1, FAST),))
    missing = Sentence("Never.", "written", (), "unsupported", 0.1, ())
    html = render_talk([made_turn(sentences=(SENTENCE, partial, missing))])
    assert "supported" in html
    assert "partly supported" in html
    assert "not found" in html
    html = render_talk([made_turn(status="abstained")])
    assert "do not answer" in html
    assert "None of these papers is about this." in html
    assert "Search wider" in html
    assert PAPER.title in html


def test_only_the_last_turn_can_be_asked_again():
    html = render_talk([made_turn(), made_turn("Again?")])
    assert html.count('data-action="retry"') == 1
    assert html.count('data-action="requery"') == 1


def test_a_waiting_frame_says_how_many_are_before():
    assert "2 questions before yours" in render_live(
        Frame(Ask("q"), found=Found(made_result([], []), ()), ahead=2), 1
    )
    assert Waiting(2).ahead == 2


# -- exports and ratings


def test_exports():
    turns = [made_turn()]
    papers = {"p1": PAPER, "p2": OTHER}
    name, _, text = export_talk(turns, papers, "md")
    assert name == "conversation.md"
    assert "> It is fast." in text
    _, _, text = export_talk(turns, papers, "bib")
    assert "@misc{p1," in text
    assert "year = {2023}" in text
    assert "p2" not in text
    _, _, text = export_talk(turns, papers, "json")
    assert json.loads(text)["turns"][0]["sentences"][0]["evidence"][0]["quote"] == "It is fast."
    with pytest.raises(UsageError, match="nothing to export"):
        export_talk([], papers, "md")
    with pytest.raises(UsageError, match="no export format"):
        export_talk(turns, papers, "exe")


def test_markdown_and_bibtex_texts_stay_texts():
    sources = (Source(1, "p/1{x}", "A # {B} & [c](http://x) % \\d", None, cited=True, read=True),)
    turns = [made_turn(sources=sources)]
    _, _, text = export_talk(turns, {}, "md")
    assert "\\[c\\](http://x)" in text
    _, _, text = export_talk(turns, {}, "bib")
    assert "@misc{p1x," in text
    assert "title = {{A \\# (B) \\& [c](http://x) \\% /d}}" in text


def test_a_copy_has_its_references():
    assert write_plain(made_answer()) == (
        "It is quick [1].\n\nReferences\n[1] RITA: Group Attention (2023)"
    )


def test_ratings_become_eval_cases(tmp_path):
    feedback = Feedback(tmp_path)
    assert feedback.export_cases() == ""
    feedback.add(made_answer("good?"), thumb="up", reason="correct and complete", note="yes")
    feedback.add(made_answer("bad?"), thumb="down", reason="should have abstained", note="")
    feedback.add(made_answer("odd?"), thumb="down", reason="wrong", note="really")
    cases = [CaseRecord.model_validate_json(li) for li in feedback.export_cases().splitlines()]
    assert [case.expect for case in cases] == ["answered", "abstained", "any"]
    assert cases[0].evidence[0].quote == "It is fast."
    assert cases[2].note == "wrong · really"
    with pytest.raises(UsageError, match="up or down"):
        feedback.add(made_answer(), thumb="sideways", reason="", note="")


# -- the map


def test_the_map_is_deterministic_and_groups_what_lies_together():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 16))
    vectors = np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(60, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    owners = group(vectors, 3)
    assert [len(set(owners[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(owners)) == 3
    first, second = project(vectors), project(vectors)
    assert np.array_equal(first, second)
    middles = np.array([first[i : i + 20].mean(axis=0) for i in (0, 20, 40)])
    spread = max(first[i : i + 20].std(axis=0).max() for i in (0, 20, 40))
    gaps = [np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > spread


def test_groups_are_named_by_words_of_their_own():
    texts = ["graph nodes edges graph", "graph nodes walks", "speech audio voice", "speech audio"]
    names = name_groups(texts, np.array([0, 0, 1, 1]), 2)
    assert "graph" in names[0]
    assert "speech" in names[1]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_small_corpora_have_a_map_too(count):
    papers = [made_paper(f"p{i}", f"Title <{i}>", "Some words here.") for i in range(count)]
    vectors = np.eye(8, dtype=np.float32)[:count]
    html = render_map(make_map(papers, vectors), highlighted={"p1"})
    assert html.count("<circle") == count
    assert "Title <" not in html


# -- who may reach the page


def test_another_host_needs_a_password_or_an_intention():
    check_exposure("127.0.0.1", auth=None, open_to_all=False)
    check_exposure("::1", auth=None, open_to_all=False)
    check_exposure("0.0.0.0", auth="me:secret", open_to_all=False)
    check_exposure("0.0.0.0", auth=None, open_to_all=True)
    with pytest.raises(UsageError, match="opens the page") as caught:
        check_exposure("0.0.0.0", auth=None, open_to_all=False)
    assert "--auth USER:PASSWORD" in caught.value.hint
    for bad in ("", "me", "me:", ":x"):
        with pytest.raises(UsageError, match="USER:PASSWORD"):
            check_exposure("0.0.0.0", auth=bad, open_to_all=False)


def test_the_gate_knows_one_name_and_password():
    gate = make_gate("me:a:b")
    assert gate("me", "a:b")
    assert not gate("me", "a")
    assert not gate("", "")


def test_a_taken_port_is_one_error_with_the_command_that_mends_it():
    with bind_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is in use") as caught:
            bind_port("127.0.0.1", port)
        assert caught.value.hint == f"askpapers ui --port {port + 1}"
    with pytest.raises(UsageError, match="cannot be listened on"):
        bind_port("192.0.2.1", 7860)


def test_the_waiting_page_answers_until_it_is_closed_and_leaves_the_socket():
    with bind_port("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        waiting = WaitingPage(listener)
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"being loaded" in client.makefile("rb").read()
        waiting.close()
        with socket.create_connection(address, timeout=5):
            connection, _ = listener.accept()
            connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:7860", 200),
        (b"localhost:7860", 200),
        (b"evil.example:7860", 421),
        (b"evil.example", 421),
        (b"", 421),
    ],
)
def test_the_guard_answers_to_its_own_name_only(host, status):
    import asyncio

    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    guard = Guard(app, hosts={"127.0.0.1", "localhost"})
    asyncio.run(guard({"type": "http", "headers": [(b"host", host)]}, None, send))
    assert sent[0]["status"] == status
    if status == 200:
        policy = dict(sent[0]["headers"])[b"content-security-policy"]
        assert b"default-src 'self'" in policy
        assert b"http:" not in policy
