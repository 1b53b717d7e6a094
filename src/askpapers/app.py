"""The composition root: the only place that builds adapters and wires them together.

Nothing heavy is loaded before it is needed, and what is loaded is kept and shared by all threads.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askpapers import __version__, opening
from askpapers.answering import Answerer, Event, finish
from askpapers.conversation import Conversation
from askpapers.domain import Answer, Filters, Paper, SearchResult
from askpapers.errors import IndexDamaged, IndexMismatch, IndexMissing, NotFound, UsageError
from askpapers.generation import LlamaCppGenerator, Offload, is_installed
from askpapers.models import get_manifest
from askpapers.prompts import Prompt
from askpapers.queries import QueryVocabulary
from askpapers.questions import check_question
from askpapers.resources import digest_code, find_folder, home_folder
from askpapers.settings import Settings
from askpapers.writing import Writer

if TYPE_CHECKING:
    from askpapers.encoders.embedder import SentenceTransformerEmbedder
    from askpapers.encoders.reader import TorchReader
    from askpapers.indexing import Index, IndexInfo
    from askpapers.likelihood import ModelLikelihood
    from askpapers.retrieval import Retriever
    from askpapers.second_reader import ModelSecondReader
    from askpapers.support import SupportJudge

Progress = Callable[[int, int, str], None]

_PACKAGES = ("torch", "transformers", "sentence-transformers", "chromadb", "llama-cpp-python")
_VOCABULARY_FILE = "vocabulary.json"
_LEXICAL_FOLDER = "lexical"
_NO_WRITER = (
    "The writing model's library is not installed, so answers are quotations. To mend it: install "
    "a C++ compiler (Debian: apt-get install g++ cmake) and then run: "
    f"{sys.executable} -m pip install 'llama-cpp-python>=0.3.36,<0.4'"
)


def _be_silent(*_: object) -> None:
    """The progress and the notices of nobody watching."""


class App:
    """The program: everything a front end can ask for."""

    def __init__(
        self,
        settings: Settings,
        *,
        home: Path | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """Remember what to build from.

        Args:
            settings: all settings.
            home: folder for everything written; None: `ASKPAPERS_HOME` or the user's own.
            progress: called during long steps.
            notice: called with a sentence that the user should read.
        """
        self.settings = settings
        self.home = home or home_folder()
        self._progress = progress or _be_silent
        self._notice = notice or _be_silent
        self._lock = threading.RLock()
        self._index: Index | None = None
        self._retriever: Retriever | None = None
        self._writers: dict[str, Writer | None] = {}

    # -- models

    @cached_property
    def embedder(self) -> SentenceTransformerEmbedder:
        """The model that turns texts into vectors; opened at its first text."""
        return opening.make_embedder(self.settings.embedding, self.home)

    @cached_property
    def reader(self) -> TorchReader | None:
        """The model that rereads the best papers, or None when the settings leave it out."""
        return opening.open_reader(self.home) if self.settings.retrieval.rerank else None

    @cached_property
    def likelihood(self) -> ModelLikelihood | None:
        """The model that parts papers which the reader leaves close; None without either."""
        if not (self.settings.retrieval.rerank and self.settings.retrieval.likelihood):
            return None
        return opening.make_likelihood(self.home)

    @cached_property
    def second_reader(self) -> ModelSecondReader | None:
        """The model that says whether the asked thing is stated; None without a likelihood."""
        if self.likelihood is None:
            return None
        return opening.make_second_reader(self.home, self.likelihood)

    @cached_property
    def judge(self) -> SupportJudge:
        """The model that verifies sentences."""
        return opening.open_judge("support", self.home)

    def writer(self, model: str | None = None) -> Writer | None:
        """Return the opened writing model with its prompts; None where answers are quotations.

        Raises:
            NotFound, UsageError: there is no such model.
            ModelMissing, ModelDamaged: its file is not here or not whole.
            BackendMissing: a model was named and llama-cpp-python is not installed.
        """
        name = self.model_name(model)
        with self._lock:
            if name not in self._writers:
                if model is None and not is_installed():
                    self._notice(_NO_WRITER)
                    self._writers[name] = None
                    return None
                self._writers[name] = opening.open_writer(
                    name, self.settings, self.home, judge=self.judge
                )
            return self._writers[name]

    def model_name(self, model: str | None = None) -> str:
        """Return the name of the writing model in force."""
        return model or self.settings.generation.model

    def open_generator(self, *, gpu_layers: int) -> LlamaCppGenerator:
        """Open the writing model anew, for a measurement with other layers on the GPU."""
        table = self.settings.generation.model_copy(update={"gpu_layers": gpu_layers})
        return opening.open_generator(self.model_name(), table, self.home)

    def offload(self) -> Offload:
        """Return what the opened writing model does with a GPU."""
        writer = self.writer()
        generator = writer.generator if writer else None
        return generator.offload if isinstance(generator, LlamaCppGenerator) else Offload(False, 0)

    # -- index

    def build_index(
        self,
        paths: Sequence[str] = (),
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> IndexInfo:
        """Build the index of these files, of the configured ones, or of the seeds.

        Raises:
            NotFound, CorpusError, Busy, StorageFailed: see `indexing.build_index`.
        """
        from askpapers.indexing import build_index

        chosen = list(paths or self.settings.corpus.paths) or [str(find_folder("seeds"))]
        with self._lock:
            self.close()
            return build_index(
                chosen,
                home=self.home,
                embedder=self.embedder,
                build_lexical=_build_lexical,
                force=force,
                progress=progress or self._progress,
            )

    def add_to_index(self, paths: Sequence[str], *, progress: Progress | None = None) -> IndexInfo:
        """Add files to the index; a file indexed before is replaced."""
        from askpapers.indexing import add_papers

        self.open_index()
        with self._lock:
            self.close()
            return add_papers(
                list(paths),
                home=self.home,
                embedder=self.embedder,
                build_lexical=_build_lexical,
                progress=progress or self._progress,
            )

    def open_index(self, *, progress: Progress | None = None) -> Index:
        """Return the open index; without one it is built, a damaged or foreign one is rebuilt.

        Args:
            progress: told how far a build is; None: whoever the program tells anyway.

        Raises:
            Busy, StorageFailed, CorpusError: it could not be built.
        """
        from askpapers.indexing import open_index, rebuild_index

        with self._lock:
            if self._index is not None:
                return self._index
            fingerprint = self.embedder.fingerprint
            try:
                self._index = open_index(self.home, embedder_fingerprint=fingerprint)
            except IndexMissing:
                self.build_index(progress=progress)
                self._index = open_index(self.home, embedder_fingerprint=fingerprint)
            except (IndexDamaged, IndexMismatch) as exc:
                self._notice(f"{exc.message} Building it again from the papers.")
                rebuild_index(
                    home=self.home,
                    embedder=self.embedder,
                    build_lexical=_build_lexical,
                    progress=progress or self._progress,
                )
                self._index = open_index(self.home, embedder_fingerprint=fingerprint)
            return self._index

    def papers(self) -> Mapping[str, Paper]:
        """Return every indexed paper by id."""
        return self.open_index().papers

    def index_info(self) -> dict[str, Any]:
        """Return the manifest of the index as plain values."""
        return dict(self.open_index().manifest)

    def verify_index(self) -> list[str]:
        """Check every file and vector of the index; an empty list is a sound index."""
        from askpapers.indexing import verify_index

        return verify_index(self.home)

    def close(self) -> None:
        """Let go of the open index; the next question opens the current one."""
        with self._lock:
            if self._index is not None:
                self._index.close()
            self._index = None
            self._retriever = None

    def check_filters(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        paper_ids: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> Filters:
        """Return the filters, checked.

        Raises:
            UsageError: a date is none, or the range is empty.
            NotFound: a paper is not in the index.
        """
        for value in (since, until):
            if value is not None and not _is_date(value):
                raise UsageError(
                    f"A date is YYYY, YYYY-MM or YYYY-MM-DD, not {value!r}.", hint="--since 2023-05"
                )
        if since and until and since > until and not since.startswith(until):
            raise UsageError(f"No date lies since {since} and until {until}.")
        unknown = [p for p in paper_ids if p not in self.papers()]
        if unknown:
            raise NotFound(f"There is no paper {unknown[0]!r}.", hint="askpapers papers list")
        return Filters(since, until, tuple(paper_ids), tuple(files))

    @property
    def runs_folder(self) -> Path:
        """Where eval runs are kept."""
        return self.home / "runs"

    # -- questions

    def retriever(self) -> Retriever:
        """Return the searcher over the open index."""
        from askpapers.answerability import Calibration
        from askpapers.evidence import Policy
        from askpapers.fusion import Fusion
        from askpapers.lexical import LexicalIndex
        from askpapers.retrieval import Retriever

        with self._lock:
            if self._retriever is None and self.second_reader is not None:
                self.second_reader.open_soon()  # every question needs it, after all the rest
            index = self.open_index()
            if self._retriever is None:
                table = self.settings.retrieval

                def find_calibration(name: str) -> Calibration:
                    return Calibration.from_parameters(get_manifest(name).parameters)

                self._retriever = Retriever(
                    dense=index,
                    lexical=LexicalIndex.load(index.folder / _LEXICAL_FOLDER),
                    vocabulary=QueryVocabulary.load(index.folder / _VOCABULARY_FILE),
                    embedder=self.embedder,
                    fusion=Fusion.from_parameters(get_manifest("fusion").parameters),
                    reader=self.reader,
                    calibration=find_calibration("reader") if self.reader else None,
                    likelihood=self.likelihood,
                    second_reader=self.second_reader,
                    second_calibration=(
                        find_calibration("second-reader") if self.second_reader else None
                    ),
                    policy=Policy(
                        max_sentences=table.evidence_sentences, max_papers=table.evidence_papers
                    ),
                    limit=table.k,
                    read_papers=table.rerank_papers,
                )
            return self._retriever

    def search(
        self, question: str, *, filters: Filters | None = None, limit: int | None = None
    ) -> SearchResult:
        """Find papers and the sentences in them that answer a question."""
        return self.retriever().search(check_question(question), limit=limit, filters=filters)

    def stream(
        self,
        question: str,
        *,
        conversation: Conversation | None = None,
        filters: Filters | None = None,
        limit: int | None = None,
        model: str | None = None,
        quote_only: bool | None = None,
        search_query: str | None = None,
        abstain_below: float | None = None,
    ) -> Iterator[Event]:
        """Yield the events of one answer; see `Answerer.stream`."""
        quotes = self.settings.answer.quote_only if quote_only is None else quote_only
        retriever = self.retriever()
        writer = None if quotes else self.writer(model)
        answerer = Answerer(
            retriever,
            abstain_below=self._abstain_below(),
            reader=self.reader,
            manifest=self.manifest(writer),
        )
        yield from answerer.stream(
            question,
            writer=writer,
            conversation=conversation,
            filters=filters,
            limit=limit,
            search_query=search_query,
            abstain_below=abstain_below,
        )

    def answer(self, question: str, **options: Any) -> Answer:
        """Return the finished answer; options as in `stream`."""
        return finish(self.stream(question, **options))

    def manifest(self, writer: Writer | None) -> dict[str, Any]:
        """Return all it takes to reproduce an answer: no clock, no machine name."""
        index = self.open_index().manifest
        prompts: list[Prompt] = [writer.system, writer.prompt] if writer else []
        used = [
            self.settings.embedding.model,
            "fusion",
            *(["reader"] if self.reader else []),
            *(["likelihood", "second-reader"] if self.likelihood else []),
            *(["judge"] if writer else []),
        ]
        manifests = {name: self._digests[name] for name in used}
        if writer is not None:
            manifests[writer.generator.name] = writer.manifest_digest
        return {
            "askpapers": __version__,
            "code_sha256": digest_code(),
            "python": ".".join(map(str, sys.version_info[:3])),
            "packages": {name: _version_of(name) for name in _PACKAGES},
            "model": writer.generator.name if writer else None,
            "model_sha256": writer.generator.digest if writer else None,
            "prompts": {prompt.name: prompt.digest for prompt in prompts},
            "embedder": self.embedder.fingerprint,
            "reader_sha256": get_manifest("reader").sha256 if self.reader else None,
            "judge_sha256": get_manifest("judge").sha256 if writer else None,
            "manifests": manifests,
            "index": index["digest"],
            "abstain_below": self._abstain_below(),
            "seed": self.settings.generation.seed,
            "settings": self.settings.model_dump(mode="json"),
        }

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Digests of the manifests that decide answers, read once: an answer waits for them."""
        readers = ("reader", "likelihood", "second-reader")
        names = (self.settings.embedding.model, "fusion", *readers, "judge")
        return {name: get_manifest(name).digest() for name in names}

    @property
    def _last_reader(self) -> str:
        """The manifest of what says last whether a question is answered."""
        if self.reader is None:
            return "fusion"
        return "reader" if self.second_reader is None else "second-reader"

    def _abstain_below(self) -> float:
        configured = self.settings.answer.abstain_below
        if configured is not None:
            return configured
        return float(get_manifest(self._last_reader).parameters.get("abstain_below", 0.5))


def _is_date(text: str) -> bool:
    """Tell whether a text is YYYY, YYYY-MM or YYYY-MM-DD and in the calendar."""
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", text):
        return False
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return False
    return True


def _build_lexical(papers: Mapping[str, Paper], folder: Path) -> None:
    """Write what the lexical search needs beside the vectors."""
    from askpapers.lexical import LexicalIndex

    LexicalIndex.build(papers.values()).save(folder / _LEXICAL_FOLDER)
    QueryVocabulary.build(papers.values()).save(folder / _VOCABULARY_FILE)


@cache
def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
