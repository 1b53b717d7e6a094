"""llama.cpp for real, over a tiny model of another architecture: no path is special to one."""

import json

import pytest

from askpapers.answering import Answerer, Drafted
from askpapers.citations import build_grammar, read_drafts
from askpapers.errors import GenerationFailed, ModelDamaged
from askpapers.generation import LlamaCppGenerator, Message, Sampling
from askpapers.models import get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.writing import Writer
from fakes import ScriptedSearcher, WordJudge, evidence_of, made_paper, made_result
from tiny_gguf import CONTEXT, write_tiny_gguf

pytestmark = pytest.mark.real
pytest.importorskip("llama_cpp", reason="needs the writing model's library")

PAPER = made_paper("p1", "A Model", "The model trains fast in 77 GPU hours. It is small.")
OTHER = made_paper("p2", "Another", "Nothing is known of it.")
CHAT = [Message("system", "Be brief."), Message("user", "How long?")]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def opened(path, home, **options):
    manifest = get_manifest(str(path), kind="generator")
    table = manifest.generator.model_copy(update={"context_tokens": CONTEXT})
    file = get_file(manifest.model_copy(update={"generator": table}), home=home)
    return LlamaCppGenerator(file, **options)


@pytest.fixture(scope="module")
def generator(path, tmp_path_factory):
    return opened(path, tmp_path_factory.mktemp("home"))


def test_it_renders_by_the_files_own_template(generator):
    rendered = generator.render(CHAT, prefill="It")
    assert rendered == "<|user|>system: Be brief.\n<|user|>user: How long?\n<|user|>assistant:It"
    assert generator.control_tokens == {"<|end|>", "<|user|>"}
    assert generator.context_tokens == CONTEXT


def test_a_file_without_a_template_is_asked_in_chatml(tmp_path):
    plain = opened(write_tiny_gguf(tmp_path / "plain.gguf", template=None), tmp_path)
    assert plain.render(CHAT).startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_control_tokens_count_as_one(generator):
    assert generator.count_tokens("<|user|>") == 1
    assert generator.count_tokens("< |user|>") > 1


def test_the_grammar_holds_whatever_the_model_wants(generator):
    """Greedy and hot, 40 answers: no citation of a source that was not shown, no other figure."""
    grammar = build_grammar([1, 2], max_sentences=2, figures={"77"})
    prompt = generator.render(CHAT)
    finished = 0
    for seed in range(40):
        sampling = Sampling(max_tokens=120, temperature=0.0 if seed == 0 else 1.5, seed=seed)
        text = "".join(generator.write(prompt, grammar=grammar, sampling=sampling))
        drafts = read_drafts(text)
        finished += bool(drafts)
        for draft in drafts:
            assert set(draft.numbers) <= {1, 2}
            assert "".join(c for c in draft.text if c.isdigit()).replace("77", "") == ""
    assert finished >= 5


def test_the_same_seed_writes_the_same(generator):
    grammar = build_grammar([1], max_sentences=1)
    prompt = generator.render(CHAT)

    def write(seed):
        sampling = Sampling(max_tokens=60, temperature=1.0, seed=seed)
        return "".join(generator.write(prompt, grammar=grammar, sampling=sampling))

    assert write(3) == write(3)
    assert write(3) != write(4)


def test_closing_frees_the_model_for_the_next(generator):
    grammar = build_grammar([1], max_sentences=1)
    sampling = Sampling(max_tokens=60, temperature=1.0, seed=1)
    pieces = generator.write(generator.render(CHAT), grammar=grammar, sampling=sampling)
    next(pieces)
    pieces.close()
    again = generator.write(generator.render(CHAT), grammar=grammar, sampling=sampling)
    assert next(again)
    again.close()


def test_a_prompt_beyond_the_context_is_refused(generator):
    with pytest.raises(GenerationFailed, match="context"):
        list(generator.write("x" * 3 * CONTEXT, grammar='root ::= "a"', sampling=Sampling(10)))


def test_a_file_that_is_no_model_is_damaged(tmp_path, path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelDamaged):
        opened(broken, tmp_path)


@pytest.mark.parametrize("whole_abstracts", [False, True])
def test_an_answer_stands_on_proof_even_when_the_model_writes_noise(generator, whole_abstracts):
    pen = Writer(
        generator=generator,
        judge=WordJudge(),
        system=load_prompt("system"),
        prompt=load_prompt("synthesis" if whole_abstracts else "answer"),
        sampling=Sampling(max_tokens=80, temperature=1.0, seed=5),
        max_sentences=2,
        whole_abstracts=whole_abstracts,
    )
    evidence = evidence_of(PAPER, "The model trains fast in 77 GPU hours.")
    answerer = Answerer(
        ScriptedSearcher(made_result([PAPER, OTHER], [evidence])), abstain_below=0.5
    )
    events = list(answerer.stream("How long does it train?", writer=pen))
    answer = events[-1].answer
    assert answer.status == "answered"
    assert any(isinstance(event, Drafted) for event in events)
    assert any(s.text == evidence.quote for s in answer.sentences)
    assert answer.usage.completion_tokens > 0
    assert answer.usage.prompt_tokens + 80 <= CONTEXT


def choose(generator, prompt, candidates, **sampling):
    return "".join(generator.choose(prompt, candidates, sampling=Sampling(60, **sampling)))


TEXTS = ["It trains fast in 77 GPU hours [1].", "It trains fast [1].", "Größe zählt – sehr [2]."]


def test_it_chooses_one_of_the_candidates_and_nothing_else(generator):
    prompt = generator.render(CHAT)
    chosen = {choose(generator, prompt, TEXTS, temperature=3.0, seed=seed) for seed in range(60)}
    assert chosen == set(TEXTS)
    assert choose(generator, prompt, TEXTS[:1]) == TEXTS[0]


def test_the_choice_is_the_likeliest_token_where_the_candidates_part(generator):
    """The same as writing under a grammar of the candidates, from a cold and from a warm cache."""
    alternatives = " | ".join(json.dumps(text, ensure_ascii=False) for text in TEXTS)
    for question in ("How long?", "How large?", "Why?", "What for?", "Which one?"):
        prompt = generator.render([Message("user", question)])
        written = "".join(
            generator.write(prompt, grammar=f"root ::= {alternatives}", sampling=Sampling(60))
        )
        assert choose(generator, prompt, TEXTS) == written
        assert choose(generator, prompt, TEXTS) == written
        assert choose(generator, prompt + written, [" " + t for t in TEXTS]).strip() in TEXTS


def test_candidates_beyond_the_context_are_refused(generator):
    with pytest.raises(GenerationFailed, match="context"):
        choose(generator, generator.render(CHAT), ["x" * 3 * CONTEXT])
