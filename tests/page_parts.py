"""A program for the page's tests: real index, real search, a writer that copies what it reads."""

import json
import re
import threading
import time
from pathlib import Path

from askpapers.answering import Drafted, Finished, Found, Settled
from askpapers.app import App
from askpapers.domain import Answer, Citation, Filters, Sentence, Source, Timings, Usage
from askpapers.errors import UsageError
from askpapers.generation import Sampling
from askpapers.prompts import load_prompt
from askpapers.settings import load_settings
from askpapers.ui.talks import Ask, Turn
from askpapers.writing import Writer
from fakes import HashEmbedder, ScriptedGenerator, WordJudge, evidence_of, made_paper, made_result

HOSTILE_TITLE = 'Zebrafish <img src=x onerror="window.hacked=1"> Signatures'
HOSTILE = {
    "id": "hostile",
    "title": HOSTILE_TITLE,
    "date": "2024-02-03",
    "abstract": (
        "Zebrafish signatures are <script>window.hacked=1</script> stored in a quokka ledger. "
        "Click [here](javascript:window.hacked=1) for the zebrafish "
        '<a href="https://example.com/x" onmouseover="window.hacked=1">ledger</a>. '
        "Nothing else is claimed."
    ),
}
PAPERS = [
    {
        "id": "rita",
        "title": "RITA: Group Attention for Timeseries",
        "date": "2023-06-12",
        "abstract": (
            "Timeseries analytics is of great importance. Group attention dynamically clusters "
            "the objects based on their similarity. RITA thus lowers the memory cost of "
            "attention on long timeseries. RITA speeds up training by up to 63 times."
        ),
    },
    {
        "id": "kernel",
        "title": "DKM: Convolutional Deep Kernel Machines",
        "date": "2023-09-18",
        "abstract": (
            "DKM is a kernel method with learned representations. The resulting DKM model trains "
            "in roughly 77 GPU hours. DKM reaches 92.8 percent accuracy on images."
        ),
    },
    {
        "id": "cache",
        "title": "KVSqueeze: Shrinking the Cache of Attention",
        "date": "2024-05-01",
        "abstract": (
            "KVSqueeze quantizes the cache of attention to two bits. KVSqueeze lowers the memory "
            "cost of serving by four times. No tuning is needed by KVSqueeze."
        ),
    },
    HOSTILE,
]
_BLOCK = re.compile(r"^\[(\d+)\] [^\n]*: (.+)$", re.MULTILINE)


class CopyingGenerator(ScriptedGenerator):
    """Writes the first sentence of each source it is shown, a word at a time.

    Slowly when the question says so: what is being written can then be seen and stopped.
    """

    def __init__(self):
        super().__init__()
        self.running = 0
        self.most_running = 0
        self.ended = 0
        self._lock = threading.Lock()

    def write(self, rendered, *, grammar, sampling):
        self.prompts.append(rendered)
        pause = 0.25 if "slowly" in rendered else 0.004
        written = rendered.rpartition("assistant\n")[2]
        with self._lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            for number, body in _BLOCK.findall(rendered):
                sentence = re.split(r"(?<=[.!?])\s", body)[0].rstrip(".")
                text = f"{sentence} [{number}]."
                if text in written:
                    continue
                for word in re.findall(r"\S+\s*", text + " "):
                    time.sleep(pause)
                    yield word
            self.ended += 1
        finally:
            with self._lock:
                self.running -= 1
            self.closed += 1


class SteppedEmbedder(HashEmbedder):
    """Embeds one batch for each step it is allowed, all of them once it is set free."""

    def __init__(self):
        self.allowed = threading.Semaphore(0)
        self.is_free = threading.Event()

    def set_free(self):
        self.is_free.set()
        self.allowed.release()

    def embed_passages(self, texts):
        if not self.is_free.is_set():
            assert self.allowed.acquire(timeout=300)
        return super().embed_passages(texts)


def write_corpus(folder: Path, papers=PAPERS, name="papers.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(p) + "\n" for p in papers), "utf-8")
    return path


def make_program(home: Path, *, corpus: Path | None = None, generator=None, embedder=None) -> App:
    """The program over a small corpus; the writer copies, the rest is real."""
    corpus = corpus or write_corpus(home / "corpus")
    settings = load_settings(
        {
            "retrieval": {"rerank": False},
            "corpus": {"paths": (str(corpus),)},
            "answer": {"abstain_below": 0.6},
        }
    )
    program = App(settings, home=home)
    judge = WordJudge()
    program.__dict__["embedder"] = embedder or HashEmbedder()
    program.__dict__["judge"] = judge
    program._writers[program.model_name()] = Writer(
        generator=generator or CopyingGenerator(),
        judge=judge,
        system=load_prompt("system"),
        prompt=load_prompt("answer"),
        sampling=Sampling(max_tokens=200),
        max_sentences=2,
        retries=0,
    )
    return program


# One finished answer over two papers, for tests without an index.
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
        "reason": None if is_answer else "the closest abstracts do not state what is asked",
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
