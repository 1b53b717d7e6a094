"""The command line by its own runner, over a small real index and scripted models."""

import json

import pytest
from typer.testing import CliRunner

from askpapers import cli
from askpapers.app import App
from askpapers.cli.state import State
from askpapers.contract import AnswerRecord, ConversationRecord, PaperRecord, SearchRecord
from askpapers.corpus import load_papers
from askpapers.errors import AskPapersError
from askpapers.generation import Sampling
from askpapers.prompts import load_prompt
from askpapers.writing import Writer
from fakes import HashEmbedder, ScriptedGenerator, WordJudge

PAPERS = [
    {
        "id": "dkm",
        "title": "Convolutional Deep Kernel Machines",
        "date": "2023-09-18",
        "abstract": "We study it. The resulting model trains in roughly 77 GPU hours. It wins.",
    },
    {
        "id": "rita",
        "title": "RITA: Group Attention",
        "date": "2022",
        "abstract": "Group attention dynamically clusters the objects. It needs little memory.",
    },
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "papers.jsonl"
    path.write_text("".join(json.dumps(p) + "\n" for p in PAPERS))
    return path


@pytest.fixture
def run(corpus, tmp_path, monkeypatch):
    """Run one command in process; returns (exit code, stdout, stderr)."""
    texts = ["The model trains in roughly 77 GPU hours [1]."] * 8
    pen = Writer(
        generator=ScriptedGenerator(*texts),
        judge=WordJudge(),
        system=load_prompt("system"),
        prompt=load_prompt("answer"),
        sampling=Sampling(max_tokens=60),
        max_sentences=1,
        retries=0,
    )

    def build(self, extra=None):
        extra = {**(extra or {})}
        extra["retrieval"] = {"rerank": False, **extra.get("retrieval", {})}
        extra["corpus"] = {"paths": (str(corpus),)}
        app = App(self.settings(extra), home=tmp_path / "home")
        app.__dict__["embedder"] = HashEmbedder()
        app.__dict__["judge"] = WordJudge()
        app._writers["smollm2-135m"] = pen
        return app

    monkeypatch.setattr(State, "app", build)
    runner = CliRunner()

    def call(*arguments, stdin=None):
        result = runner.invoke(cli.app, list(arguments), input=stdin)
        code = result.exit_code
        if isinstance(result.exception, AskPapersError):
            code = result.exception.exit_code
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return code, result.stdout, result.stderr

    return call


def test_ask_prints_the_answer_and_its_proof(run):
    code, out, _ = run(
        "--set", "answer.abstain_below=0", "ask", "How many GPU hours does it train?"
    )
    assert code == 0
    assert "77 GPU hours [1]." in out
    assert "> The resulting model trains in roughly 77 GPU hours." in out


def test_ask_json_is_the_contract(run):
    code, out, _ = run("--set", "answer.abstain_below=0", "ask", "How many GPU hours?", "--json")
    record = AnswerRecord.model_validate_json(out)
    assert code == 0
    assert record.status == "answered"
    for sentence in record.sentences:
        for e in sentence.evidence:
            abstract = next(p["abstract"] for p in PAPERS if p["id"] == e.paper_id)
            assert abstract[e.start : e.end] == e.quote


def test_abstaining_has_its_own_exit_code(run):
    code, out, _ = run("--set", "answer.abstain_below=1", "ask", "Who won the cup?", "--json")
    assert code == 10
    record = AnswerRecord.model_validate_json(out)
    assert (record.status, len(record.nearest)) == ("abstained", 2)


def test_quote_only_needs_no_model(run):
    code, out, _ = run(
        "--set", "answer.abstain_below=0", "ask", "How many GPU hours?", "--quote-only", "--json"
    )
    record = AnswerRecord.model_validate_json(out)
    assert code == 0
    assert {s.origin for s in record.sentences} == {"quoted"}
    assert record.usage.prompt_tokens == 0


def test_a_batch_answers_every_line_in_order(run, tmp_path):
    lines = [
        '{"id": "a", "question": "How many GPU hours?"}',
        "not json",
        '{"id": "c", "turns": ["What is group attention?", "and its memory?"]}',
        '{"id": "d", "question": "?!"}',
        "",
        '{"id": 5}',
    ]
    path = tmp_path / "batch.jsonl"
    path.write_text("\n".join(lines))
    code, out, err = run("--set", "answer.abstain_below=0", "ask", "--batch", str(path), "--json")
    assert code == 0
    objects = [json.loads(line) for line in out.splitlines()]
    assert [o.get("id") for o in objects] == ["a", None, "c", "d", "5"]
    AnswerRecord.model_validate(objects[0])
    ConversationRecord.model_validate(objects[2])
    assert [o.get("status") for o in objects] == ["answered", "error", None, "error", "error"]
    assert objects[3]["error"]
    assert "3 of the lines" in err


def test_search_and_its_batch(run, tmp_path):
    code, out, _ = run("search", "group attention", "--json", "--k", "1")
    record = SearchRecord.model_validate_json(out)
    assert code == 0
    assert [h.paper_id for h in record.hits] == ["rita"]
    path = tmp_path / "b.jsonl"
    path.write_text('{"id": "x", "question": "group attention"}\n')
    code, out, _ = run("search", "--batch", str(path), "--json")
    assert SearchRecord.model_validate_json(out).id == "x"
    code, out, _ = run("search", "group attention")
    assert "RITA: Group Attention" in out


def test_filters_act_before_ranking(run):
    code, out, _ = run("search", "group attention", "--paper", "dkm", "--json")
    assert {h["paper_id"] for h in json.loads(out)["hits"]} == {"dkm"}
    code, out, _ = run("search", "attention", "--until", "2022", "--json")
    assert {h["paper_id"] for h in json.loads(out)["hits"]} == {"rita"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ask"], 2),
        (["ask", ""], 2),
        (["ask", "?"], 2),
        (["ask", "x" * 50_000], 2),
        (["ask", "q", "--since", "yesterday"], 2),
        (["ask", "q", "--since", "2023", "--until", "2020"], 2),
        (["ask", "q", "--paper", "nope"], 3),
        (["ask", "q", "--model", "gpt-9"], 3),
        (["ask", "q", "--model", "/no/such.gguf"], 3),
        (["ask", "--batch", "/no/such.jsonl", "--json"], 2),
        (["ask", "--batch", "x.jsonl"], 2),
        (["ask", "q", "--k", "0"], 2),
        (["--set", "retrieval.k=zero", "search", "q"], 2),
        (["--set", "nothing", "search", "q"], 2),
        (["papers", "show", "nope"], 3),
        (["papers", "export", "--format", "pdf"], 2),
        (["papers", "export", "--out", "/no/such/folder/x.csv"], 6),
        (["index", "build", "/no/such/file"], 3),
        (["models", "info", "nope"], 3),
        (["nonsense"], 2),
    ],
)
def test_bad_input_has_its_exit_code(run, arguments, code):
    assert run(*arguments)[0] == code


def test_papers(run):
    code, out, _ = run("papers", "list", "--json")
    assert code == 0
    assert [PaperRecord.model_validate(p).paper_id for p in json.loads(out)] == ["dkm", "rita"]
    code, out, _ = run("papers", "show", "rita", "--json")
    assert PaperRecord.model_validate_json(out).abstract == PAPERS[1]["abstract"]
    code, out, _ = run("papers", "list")
    assert "RITA: Group Attention" in out


def test_a_binary_file_is_no_corpus(run, tmp_path):
    path = tmp_path / "image.jsonl"
    path.write_bytes(bytes(range(256)) * 10)
    assert run("index", "build", str(path))[0] == 4


def test_index_commands(run, tmp_path):
    assert run("index", "build")[0] == 0
    code, out, _ = run("index", "build", "--json")
    assert json.loads(out)["changed"] is False
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"id": "new", "title": "New", "abstract": "A new paper. Yes."}))
    assert run("index", "add", str(more))[0] == 0
    code, out, _ = run("index", "info", "--json")
    assert json.loads(out)["papers"] == 3
    code, out, _ = run("index", "verify")
    assert (code, out.strip()) == (0, "The index is sound.")


def test_settings_and_models(run):
    code, out, _ = run("settings", "--json")
    assert {"name", "value", "environment"} <= set(json.loads(out)[0])
    code, out, _ = run("models", "list", "--json")
    assert any(m["name"] == "smollm2-135m" for m in json.loads(out))
    assert run("models", "list")[0] == 0
    assert "retrieval.k" in run("settings")[1]


def test_support_judges_every_line(run, tmp_path):
    path = tmp_path / "claims.jsonl"
    path.write_text(
        '{"id": "1", "claim": "It wins.", "evidence": ["It wins."]}\n'
        '{"id": "2", "claim": "It loses.", "evidence": ["It wins."]}\n{"id": "3"}\n'
    )
    code, out, _ = run("support", "--batch", str(path), "--json")
    objects = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [o.get("verdict") for o in objects] == ["supported", "unsupported", None]
    assert objects[2]["status"] == "error"


def test_papers_are_exported_and_read_back(run, tmp_path):
    code, out, _ = run("papers", "export")
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["dkm", "rita"]
    path = tmp_path / "papers.csv"
    code, out, err = run("papers", "export", "--format", "csv", "--out", str(path))
    assert (code, out) == (0, "")
    assert "2 papers written" in err
    papers, _ = load_papers([path])
    assert [(p.paper_id, p.date) for p in papers] == [("dkm", "2023-09-18"), ("rita", "2022")]
    assert papers[0].abstract == PAPERS[0]["abstract"]


def test_the_index_is_described(run):
    code, out, _ = run("index", "info", "--json")
    assert code == 0
    assert json.loads(out)["papers"] == 2
    assert len(json.loads(out)["database"]) == 3
    code, out, _ = run("index", "info")
    assert code == 0
    assert "database" not in out
