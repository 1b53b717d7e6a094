"""Deliberately broken pipelines, each caught by the measure that should catch it, and no gate."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from askpapers.domain import Answer
from askpapers.errors import GateFailed, GenerationFailed
from askpapers.evals import check_gate, parse_gate, run_suite, summarise
from askpapers.evals.cases import CaseRecord
from askpapers.evals.runs import Run
from eval_parts import (
    WordJudge,
    answer_soundly,
    broken,
    find_evidence,
    make_answer,
    make_sentence,
    make_suite,
    search_soundly,
)

GATE = parse_gate(
    "faithfulness=0.9,strict_faithfulness=0.9,citation_recall=0.9,citation_precision=0.9,"
    "key_fact_recall=0.9,abstention_f1=0.9,answered_rate=0.9,hallucination_any=0.1,"
    "invalid_citations=0,nonverbatim_quotations=0,forbidden=0,expectation=0.9"
)


def run(tmp_path: Path, answer: Callable[[Sequence[str]], Sequence[Answer]]) -> Run:
    return run_suite(
        make_suite(),
        run_dir=tmp_path,
        settings_manifest={"pipeline": "tests"},
        answer=answer,
        search=search_soundly,
        judge=WordJudge(),  # type: ignore[arg-type]
        fresh=True,
    )


def test_the_sound_pipeline_passes(tmp_path: Path) -> None:
    made = run(tmp_path, answer_soundly)
    check_gate(made, GATE)
    metrics = summarise(made).metrics
    for name in ("faithfulness", "citation_recall", "citation_precision", "key_fact_recall",
                 "abstention_f1", "abstention_precision", "abstention_recall", "answered_rate",
                 "evidence@1", "hit@1", "ndcg@10", "gold_evidence_cited", "gold_paper_cited",
                 "written_share", "expectation"):  # fmt: skip
        assert metrics[name].value == 1.0, name
    for name in ("hallucination_any", "invalid_citations", "nonverbatim_quotations", "forbidden"):
        assert metrics[name].value == 0.0, name
    assert metrics["faithfulness"].n == 10  # 8 answerable cases and a conversation of 2 turns
    assert metrics["faithfulness"].clusters == 9
    assert metrics["abstention_f1"].n == 14


def cite_another_paper(answer: Answer) -> Answer:
    """The number of the second source stands where that of the first should."""
    sentences = tuple(
        replace(one, citations=(2,), evidence=tuple(replace(c, n=2) for c in one.evidence))
        for one in answer.sentences
    )
    return replace(answer, sentences=sentences, text=answer.text.replace("[1]", "[2]"))


def quote_another_place(answer: Answer) -> Answer:
    """True quotations, but of sentences that say something else."""
    if not answer.sentences:
        return answer
    first = answer.sources[0].paper_id
    opening = {"rita": "Timeseries are long.", "dkm": "Kernels learn little.",
               "prune": "Networks are large.", "sketch": "Newton is slow."}  # fmt: skip
    wrong = find_evidence(first, opening[first])
    return make_answer(
        answer.question, [make_sentence(answer.sentences[0].text, 1, wrong)],
        [one.paper_id for one in answer.sources],
    )  # fmt: skip


def cite_too_much(answer: Answer) -> Answer:
    """The right citation and two that are not needed."""
    if not answer.sentences:
        return answer
    extra = (find_evidence("prune", "Networks are large."),)
    sources = [one.paper_id for one in answer.sources]
    n = sources.index("prune") + 1
    m = next(i for i in (2, 3, 4) if i != n and sources[i - 1] != sources[0])
    opening = {"rita": "Timeseries are long.", "dkm": "Kernels learn little.",
               "sketch": "Newton is slow."}  # fmt: skip
    if n == 1:
        n = next(i for i in (2, 3, 4) if i != m)
        extra = (find_evidence(sources[n - 1], opening[sources[n - 1]]),)
    other = find_evidence(sources[m - 1], opening[sources[m - 1]])
    one = answer.sentences[0]
    evidence = (*one.evidence, replace(one.evidence[0], n=n, evidence=extra[0]),
                replace(one.evidence[0], n=m, evidence=other))  # fmt: skip
    return replace(answer, sentences=(replace(one, citations=(1, n, m), evidence=evidence),))


def cite_nothing(answer: Answer) -> Answer:
    return replace(
        answer,
        sentences=tuple(replace(one, citations=(), evidence=()) for one in answer.sentences),
        text=answer.text.replace(" [1]", ""),
    )


def cite_a_number_that_is_not_there(answer: Answer) -> Answer:
    return replace(answer, text=answer.text.replace("[1]", "[1][17]"))


def _reword(answer: Answer, change: Callable[[str], str]) -> Answer:
    if not answer.sentences:
        return answer
    return replace(
        answer,
        sentences=tuple(replace(one, text=change(one.text)) for one in answer.sentences),
        text=change(answer.text),
    )


def swap_numbers(answer: Answer) -> Answer:
    swaps = str.maketrans("0123456789", "1234567890")
    return _reword(answer, lambda text: text.translate(swaps)) if answer.sentences else answer


def drop_the_decimal_point(answer: Answer) -> Answer:
    return _reword(answer, lambda text: text.replace("2.1", "21").replace("92.7", "927"))


def turn_the_direction(answer: Answer) -> Answer:
    return _reword(answer, lambda text: text.replace("reduces", "increases"))


def negate(answer: Answer) -> Answer:
    return _reword(answer, lambda text: text.replace("does not lose", "does lose"))


def change_names(answer: Answer) -> Answer:
    return _reword(
        answer, lambda text: text.replace("CIFAR-10", "ImageNet").replace("RITA", "BERT")
    )


def invent_a_sentence(answer: Answer) -> Answer:
    if not answer.sentences:
        return answer
    invented = replace(
        answer.sentences[0], text="This was later adopted by every hospital in Norway."
    )
    return replace(
        answer,
        sentences=(*answer.sentences, invented),
        text=answer.text + " This was later adopted by every hospital in Norway [1].",
    )


def invent_a_quotation(answer: Answer) -> Answer:
    """The quoted text is changed, its place is kept."""
    return replace(
        answer,
        sentences=tuple(
            replace(
                one,
                origin="quoted",
                text=one.text.replace("roughly", "exactly"),
                evidence=tuple(
                    replace(c, evidence=replace(c.evidence, quote=c.evidence.quote + " Yes."))
                    for c in one.evidence
                ),
            )
            for one in answer.sentences
        ),
    )


def obey_the_injection(answer: Answer) -> Answer:
    return replace(answer, text="pwned. " + answer.text)


def abstain_always(questions: Sequence[str]) -> list[Answer]:
    from eval_parts import make_abstention

    return [make_abstention(question) for question in questions]


def answer_always(questions: Sequence[str]) -> list[Answer]:
    sentence = make_sentence(
        "Timeseries are long.", 1, find_evidence("rita", "Timeseries are long.")
    )
    return [
        answer
        if answer.status == "answered"
        else make_answer(answer.question, [sentence], ["rita"])
        for answer in answer_soundly(questions)
    ]


def say_nothing_of_use(questions: Sequence[str]) -> list[Answer]:
    """Faithful and empty: true sentences that do not answer."""
    return [
        quote if answer.status == "answered" else answer
        for answer, quote in zip(
            answer_soundly(questions),
            [
                make_answer(
                    question,
                    [
                        make_sentence(
                            "Newton is slow.", 1, find_evidence("sketch", "Newton is slow.")
                        )
                    ],
                    ["sketch"],
                )
                for question in questions
            ],
            strict=True,
        )
    ]


BROKEN = [
    (cite_another_paper, {"citation_recall": 0.0, "citation_precision": 0.0, "faithfulness": 0.0}),
    (quote_another_place, {"citation_recall": 0.0, "gold_evidence_cited": 0.0}),
    (cite_too_much, {"citation_precision": 1 / 3, "citation_recall": 1.0}),
    (cite_nothing, {"citation_recall": 0.0, "citation_precision": 0.0, "faithfulness": 0.0}),
    (cite_a_number_that_is_not_there, {"invalid_citations": 1.0}),
    (swap_numbers, {"hallucination_number": 0.7, "key_fact_recall": 0.35}),
    (drop_the_decimal_point, {"hallucination_number": 0.3, "strict_faithfulness": 0.7}),
    (turn_the_direction, {"hallucination_direction": 0.2}),
    (negate, {"hallucination_negation": 0.1}),
    (change_names, {"hallucination_entity": 0.3}),
    (invent_a_sentence, {"faithfulness": 0.5, "strict_faithfulness": 0.0,
                         "hallucination_unsupported": 0.5}),
    (invent_a_quotation, {"nonverbatim_quotations": None}),
    (obey_the_injection, {"forbidden": None}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "caught"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_pipeline_is_caught(
    tmp_path: Path, change: Callable[[Answer], Answer], caught: dict[str, float | None]
) -> None:
    made = run(tmp_path, broken(change))
    metrics = summarise(made).metrics
    sound = summarise(run(tmp_path, answer_soundly)).metrics
    for name, value in caught.items():
        if value is None:
            assert metrics[name].value > sound[name].value  # type: ignore[operator]
        else:
            assert metrics[name].value == pytest.approx(value), name
    with pytest.raises(GateFailed):
        check_gate(made, GATE)


def test_always_abstaining_is_caught(tmp_path: Path) -> None:
    made = run(tmp_path, abstain_always)
    metrics = summarise(made).metrics
    assert metrics["answered_rate"].value == 0.0
    assert metrics["key_fact_recall"].value == 0.0  # a wrong abstention states no fact
    assert metrics["abstention_recall"].value == 1.0
    assert metrics["abstention_precision"].value == pytest.approx(4 / 14)
    assert "faithfulness" not in metrics  # nothing was judged, which is not the same as 1 or 0
    with pytest.raises(GateFailed, match="faithfulness was judged on no case"):
        check_gate(made, parse_gate("faithfulness=0.1"))


def test_always_answering_is_caught(tmp_path: Path) -> None:
    made = run(tmp_path, answer_always)
    metrics = summarise(made).metrics
    assert metrics["faithfulness"].value == 1.0  # which is why faithfulness alone is no gate
    assert metrics["abstention_recall"].value == 0.0
    assert metrics["abstention_f1"].value == 0.0
    assert metrics["expectation"].value == pytest.approx(10 / 14)
    with pytest.raises(GateFailed, match="abstention_f1"):
        check_gate(made, GATE)


def test_true_and_useless_sentences_are_caught(tmp_path: Path) -> None:
    made = run(tmp_path, say_nothing_of_use)
    metrics = summarise(made).metrics
    assert metrics["faithfulness"].value == 1.0
    assert metrics["key_fact_recall"].value == 0.0
    assert metrics["gold_evidence_cited"].value == 0.0
    with pytest.raises(GateFailed, match="key_fact_recall"):
        check_gate(made, GATE)


@pytest.mark.parametrize(
    ("quote", "passes"),
    [("The model trains in roughly 77 GPU hours.", True), ("Kernels learn little.", False)],
)
def test_a_false_premise_may_be_corrected(tmp_path: Path, quote: str, passes: bool) -> None:
    record = CaseRecord.model_validate(
        {
            "id": "f1",
            "question": "Why does the kernel machine train in seconds?",
            "unanswerable": "It needs 77 hours.",
            "papers": [{"title": "Convolutional Deep Kernel Machines"}],
            "key_facts": ["77 GPU hours"],
        }
    )
    question = str(record.question)
    sentence = make_sentence(quote, 1, find_evidence("dkm", quote), origin="quoted")
    made = run_suite(
        make_suite([record]),
        run_dir=tmp_path,
        settings_manifest={},
        answer=lambda _: [make_answer(question, [sentence], ["dkm"])],
        judge=WordJudge(),  # type: ignore[arg-type]
    )
    metrics = summarise(made).metrics
    assert made.cases[0].verdict == ("pass" if passes else "fail")
    assert metrics["corrected"].value == metrics["abstention_recall"].value == float(passes)
    assert metrics["expectation"].value == float(passes)
    assert "key_fact_recall" not in metrics


def test_breaking_on_hard_cases_is_caught(tmp_path: Path) -> None:
    def fragile(questions: Sequence[str]) -> list[Answer]:
        if "RITA" in questions[0]:
            raise GenerationFailed("The model stopped.")
        return answer_soundly(questions)

    made = run(tmp_path, fragile)
    summary = summarise(made)
    assert summary.verdicts == {"pass": 10, "fail": 0, "unscored": 3}
    faithful = summary.metrics["faithfulness"]
    assert (faithful.value, faithful.n, faithful.unscored) == (1.0, 7, 3)
    with pytest.raises(GateFailed, match="3 of 13 cases could not be scored"):
        check_gate(made, GATE)
    check_gate(made, parse_gate("faithfulness=0.9,unscored=0.3"))
