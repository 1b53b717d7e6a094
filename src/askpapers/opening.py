"""Opens models by their manifests: the embedder, the reader, the judges, the writing model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from askpapers.errors import NotFound, UsageError
from askpapers.generation import LlamaCppGenerator, Sampling
from askpapers.models import ModelFile, find_path, get_adapter, get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.resources import find_folder
from askpapers.settings import EmbeddingSettings, GenerationSettings, Settings
from askpapers.writing import Writer

if TYPE_CHECKING:
    from askpapers.encoders.embedder import SentenceTransformerEmbedder
    from askpapers.encoders.reader import TorchReader
    from askpapers.likelihood import ModelLikelihood
    from askpapers.second_reader import ModelSecondReader
    from askpapers.support import SupportJudge

_WORD_WEIGHTS = "judge-words.txt"


def make_embedder(settings: EmbeddingSettings, home: Path) -> SentenceTransformerEmbedder:
    """Return the embedder of the settings; its files are verified, and opened at its first text.

    Raises:
        NotFound, UsageError: there is no such embedder.
        ModelMissing, ModelDamaged: a file is not here or not whole.
    """
    from askpapers.encoders.embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder.load(
        get_manifest(settings.model, kind="embedder"),
        home=home,
        device=settings.device,
        batch_size=settings.batch_size,
    )


def open_reader(home: Path) -> TorchReader:
    """Open the reader trained here.

    Raises:
        ModelMissing, ModelDamaged: a file is not here or not whole.
    """
    from askpapers.encoders.reader import TorchReader

    weights, base = _get_trained("reader", home)
    return TorchReader(base.path.parent, weights.path)


def make_likelihood(home: Path) -> ModelLikelihood | None:
    """Return the likelihood of questions; None where the model that it lies over is not here.

    Files are verified when a question first needs them: most need none.
    """
    from askpapers.likelihood import ModelLikelihood

    manifest = get_manifest("likelihood", kind="likelihood")
    if find_path(get_manifest(manifest.base or "smollm2-135m"), home=home) is None:
        return None
    return ModelLikelihood.load(lambda: _get_trained("likelihood", home), home=home)


def make_second_reader(home: Path, likelihood: ModelLikelihood) -> ModelSecondReader:
    """Return the second reader; its file is verified, and opened, at its first question."""
    from askpapers.second_reader import ModelSecondReader

    manifest = get_manifest("second-reader", kind="reader")
    return ModelSecondReader.load(likelihood.model, lambda: get_file(manifest, home=home))


def open_judge(name: str, home: Path) -> SupportJudge:
    """Open the judge called `name`.

    It is support (words, guard and network), lexical (no network), or llm:MODEL, a writing model
    that is asked for a verdict.

    Raises:
        NotFound: there is no such judge.
        ModelMissing, ModelDamaged: a file is not here or not whole.
        BackendMissing: a model was asked for, and llama-cpp-python is not installed.
    """
    from askpapers.support import LexicalJudge, StackedJudge

    kind, _, model = name.partition(":")
    if kind == "llm":
        from askpapers.evals.model_judge import ModelJudge

        generation = GenerationSettings()
        return ModelJudge(
            open_generator(model or generation.model, generation, home), load_prompt("judge")
        )
    parameters = get_manifest("judge", kind="judge").parameters
    words = find_folder("models") / _WORD_WEIGHTS
    if name == "lexical":
        return LexicalJudge.load(parameters, words)
    if name != "support":
        raise NotFound(f"There is no judge {name!r}.", hint="--judge support, lexical or llm:MODEL")
    from askpapers.encoders.judge import PairScorer

    weights, base = _get_trained("judge", home)
    return StackedJudge.load(parameters, words, PairScorer.load(weights.path, base.path.parent))


def open_writer(name: str, settings: Settings, home: Path, *, judge: SupportJudge) -> Writer:
    """Open a writing model with the prompts and the policy of its manifest.

    Raises:
        As `open_generator`.
    """
    manifest = get_manifest(name, kind="generator")
    table = manifest.generator
    if table is None:
        raise UsageError(f"The manifest of {name!r} has no [generator] table.")
    generation = settings.generation
    return Writer(
        generator=open_generator(name, generation, home),
        judge=judge,
        system=load_prompt("system"),
        prompt=load_prompt(table.prompt),
        sampling=Sampling(
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            repeat_penalty=generation.repeat_penalty,
            seed=generation.seed,
        ),
        max_sentences=table.max_sentences,
        whole_abstracts=table.reads == "abstracts",
        compressed=table.wording == "compressed",
        retries=settings.answer.retries,
        manifest_digest=manifest.digest(),
    )


def open_generator(name: str, settings: GenerationSettings, home: Path) -> LlamaCppGenerator:
    """Open a GGUF model, with its adapter where the manifest names one.

    Raises:
        NotFound, UsageError: there is no such model.
        ModelMissing, ModelDamaged: a file is not here or not whole.
        BackendMissing: llama-cpp-python is not installed.
    """
    from askpapers.tokens import load_encoding

    file = get_file(get_manifest(name, kind="generator"), home=home)
    encoding = load_encoding(file.path, digest=file.digest, cache=home / "vocabularies")
    count = (
        None if encoding is None else lambda text: len(encoding.encode(text, allowed_special="all"))
    )
    return LlamaCppGenerator(
        file,
        adapter=get_adapter(file.manifest, home=home),
        gpu_layers=settings.gpu_layers,
        threads=settings.threads,
        count_tokens=count,
    )


def _get_trained(name: str, home: Path) -> tuple[ModelFile, ModelFile]:
    """Return the weights trained here and the weights they lie over."""
    manifest = get_manifest(name, kind=name)
    base = get_manifest(manifest.base or "all-minilm-l6-v2")
    return get_file(manifest, home=home), get_file(base, home=home)
