"""Turns texts into vectors with sentence-transformers, over the stock or the tuned MiniLM weights.

The tuned file holds only the encoder layers; the rest (word embeddings, tokenizer, pooling) is
the base's. Passages go through sentence-transformers; questions of a BERT under a mean, which
MiniLM is, through `MeanBert`: the same vectors (a test compares them) without two seconds of
imports before the first answer. An adapter, where there is one, is merged into that network alone:
questions are read with it, and passages, with every index of theirs, stay as they are. Where the
processor has bfloat16 instructions the network runs in them (1.9 times as fast, 98.9% the same ten
nearest neighbours, measured); vectors are float32 at the border.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from askpapers.encoders.bert import has_fast_bfloat16
from askpapers.encoders.mean_bert import MeanBert, is_mean_bert, lay_over
from askpapers.errors import ModelDamaged, ModelMissing, UsageError
from askpapers.models import Manifest, get_adapter, get_file, get_manifest


class Embedder(Protocol):
    """Turns questions and passages into unit vectors of one space.

    `fingerprint` names the weights and settings of passages: vectors of equal fingerprints may be
    compared.
    `max_tokens` counts word pieces, the two marks included; the rest of a text is not read.
    """

    dimension: int
    max_tokens: int
    fingerprint: str

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, dimension), rows in input order, unit length."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, dimension), rows in input order, unit length."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the word pieces of a text, the two marks included."""
        ...


class SentenceTransformerEmbedder:
    """An `Embedder` on sentence-transformers. Nothing heavy is loaded before the first text."""

    def __init__(
        self,
        base: Path,
        *,
        weights: Path | None = None,
        adapter: Path | None = None,
        digest: str = "",
        dimension: int = 384,
        max_tokens: int = 256,
        question_prefix: str = "",
        passage_prefix: str = "",
        device: str = "auto",
        batch_size: int = 64,
    ) -> None:
        self.dimension = dimension
        self.max_tokens = max_tokens
        self._base = base
        self._weights = weights
        self._prefixes = (question_prefix, passage_prefix)
        self._device = device
        self._batch_size = batch_size
        self._lock = Lock()
        self._model: Any = None
        self._asked: MeanBert | None = None
        self._adapter = adapter
        # A device of one's own choosing is sentence-transformers' to handle; an adapter is ours.
        self._is_mean_bert = (device in ("auto", "cpu") or adapter is not None) and is_mean_bert(
            base
        )
        self._tokenizer: Any = None
        settings = f"{digest}|{dimension}|{max_tokens}|{question_prefix}|{passage_prefix}"
        self.fingerprint = hashlib.sha256(settings.encode()).hexdigest()[:16]

    @classmethod
    def load(
        cls, manifest: Manifest, *, home: Path, device: str = "auto", batch_size: int = 64
    ) -> SentenceTransformerEmbedder:
        """Make the embedder that a manifest describes; its files are verified, not yet opened.

        Raises:
            UsageError: the manifest describes no embedder.
            ModelMissing: a file is not on this machine.
            ModelDamaged: a file is altered.
        """
        table = manifest.embedder
        if manifest.kind != "embedder" or table is None:
            raise UsageError(f"The model {manifest.name!r} is no embedder.")
        file = get_file(manifest, home=home)
        base, weights, digest = file.path, None, file.digest
        if manifest.base is not None:
            under = get_file(get_manifest(manifest.base, kind="embedder"), home=home)
            base, weights, digest = under.path, file.path, f"{under.digest}+{file.digest}"
        adapter = get_adapter(manifest, home=home)
        return cls(
            base if base.is_dir() else base.parent,
            weights=weights,
            adapter=adapter.path if adapter else None,
            digest=digest,
            dimension=table.dimension,
            max_tokens=table.max_tokens,
            question_prefix=table.question_prefix,
            passage_prefix=table.passage_prefix,
            device=device,
            batch_size=batch_size,
        )

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, dimension), rows in input order, unit length."""
        prefixed = [self._prefixes[0] + text for text in texts]
        if prefixed and self._adapter is not None and not self._is_mean_bert:
            raise ModelDamaged(
                f"The model in {str(self._base)!r} is no BERT under a mean, "
                "which alone can take an adapter for questions."
            )
        if not prefixed or not self._is_mean_bert:
            return self._embed(prefixed)
        with self._lock:
            if self._asked is None:
                model = MeanBert(
                    self._base,
                    max_tokens=self.max_tokens,
                    weights=self._weights,
                    adapter=self._adapter,
                )
                self._check_dimension(model.width)
                self._asked = model
        return self._asked.embed(prefixed)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, dimension), rows in input order, unit length."""
        return self._embed([self._prefixes[1] + text for text in texts])

    def count_tokens(self, text: str) -> int:
        """Return the word pieces of a text, the two marks included, without loading torch.

        Raises:
            ModelMissing: the base folder holds no tokenizer.
        """
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            path = self._base / "tokenizer.json"
            if not path.is_file():
                raise ModelMissing(f"There is no tokenizer at {str(path)!r}.")
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_truncation()
            tokenizer.no_padding()
            self._tokenizer = tokenizer
        return len(self._tokenizer.encode(text).ids)

    def _embed(self, texts: list[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        model = self._open()
        vectors = model.encode(
            texts, batch_size=self._batch_size, show_progress_bar=False, convert_to_tensor=True
        )
        out = np.asarray(vectors.float().cpu().numpy(), dtype=np.float32)
        # Normalised here: bfloat16 lengths are off by up to 1%.
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def _open(self) -> Any:
        with self._lock:
            if self._model is None:
                self._model = self._load()
        return self._model

    def _load(self) -> Any:
        if not self._base.is_dir():
            raise ModelMissing(f"There is no model folder at {str(self._base)!r}.")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forks of a server would warn
        with _sklearn_on_demand():
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging

        logging.disable_progress_bar()
        device = None if self._device == "auto" else self._device
        try:
            model = SentenceTransformer(str(self._base), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError) as exc:
            raise ModelDamaged(f"The model in {str(self._base)!r} cannot be read: {exc}.") from exc
        if self._weights is not None:
            lay_over(model[0].auto_model, self._weights)
        self._check_dimension(model.get_embedding_dimension())
        model.max_seq_length = self.max_tokens
        if model.device.type == "cuda" or has_fast_bfloat16():
            model.to(torch.bfloat16)
        return model.eval()

    def _check_dimension(self, found: int | None) -> None:
        if found != self.dimension:
            raise ModelDamaged(
                f"The model in {str(self._base)!r} gives {found} numbers a text, "
                f"its manifest says {self.dimension}."
            )


@contextmanager
def _sklearn_on_demand() -> Iterator[None]:
    """Keep scikit-learn (and with it scipy.stats and pandas) unloaded while importing.

    sentence-transformers imports it for one distance that is never asked for here, at a quarter
    of its import time. Functions taken from the stand-in load the real one when called.
    """
    names = ("sklearn", "sklearn.metrics")
    if any(name in sys.modules for name in names):
        yield
        return
    spec = importlib.util.find_spec("sklearn")
    for name in names:
        module = ModuleType(name)
        module.__spec__ = spec
        module.__path__ = []
        module.__getattr__ = partial(_call_later, name)  # type: ignore[method-assign]
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def _call_later(module: str, attribute: str) -> Any:
    if attribute.startswith("__"):
        raise AttributeError(attribute)

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(module), attribute)(*args, **kwargs)

    return call
