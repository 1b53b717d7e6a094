"""Unit vectors of texts as the mean of BERT's states.

This is what MiniLM's sentence-transformers configuration describes, without the start-up of that
library.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from askpapers.encoders.bert import has_fast_bfloat16, load_bert
from askpapers.encoders.low_rank import merge_adapter
from askpapers.errors import ModelDamaged, ModelMissing

_TOKENS_PER_BATCH = 6144


class MeanBert:
    """Embeds texts; bfloat16 where the processor has it, one thread of control at a time.

    Args:
        folder: a BERT with its `tokenizer.json`.
        max_tokens: word pieces read of a text, the two marks included.
        weights: tensors laid over those of the folder, or None.
        adapter: a low-rank adapter merged into the weights, or None.

    Raises:
        ModelMissing: a file is not there.
        ModelDamaged: a file cannot be read, or `weights` or `adapter` doesn't fit the model.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_tokens: int,
        weights: Path | None = None,
        adapter: Path | None = None,
    ) -> None:
        import torch
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelMissing(f"There is no tokenizer at {str(path)!r}.")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._network = load_bert(folder)
        if weights is not None:
            lay_over(self._network, weights)
        if adapter is not None:
            merge_adapter(self._network, adapter)
        self._network.eval()
        if has_fast_bfloat16():
            self._network.to(torch.bfloat16)
        self._lock = Lock()

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self._network.width)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, width), rows in input order, unit length."""
        import torch

        pieces = [item.ids for item in self._tokenizer.encode_batch(list(texts))]
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(pieces[row]))
        with self._lock, torch.inference_mode():
            for rows in cut_batches(order, [len(ids) for ids in pieces], _TOKENS_PER_BATCH):
                width = len(pieces[rows[-1]])
                ids = torch.zeros(len(rows), width, dtype=torch.long)
                mask = torch.zeros_like(ids)
                for place, row in enumerate(rows):
                    ids[place, : len(pieces[row])] = torch.tensor(pieces[row])
                    mask[place, : len(pieces[row])] = 1
                states = self._network(ids, mask).float()
                mean = (states * mask.unsqueeze(-1)).sum(1)
                vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors


def is_mean_bert(folder: Path) -> bool:
    """Say whether the sentence-transformers model in `folder` is BERT under a mean of its states.

    A model in another layout, or one whose files can't be read, is none.
    """
    try:
        told = json.loads((folder / "config.json").read_text("utf-8"))
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        pooling = json.loads((folder / modules[1]["path"] / "config.json").read_text("utf-8"))
        kinds = [module["type"].rpartition(".")[2] for module in modules]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return False
    modes = {name for name, on in pooling.items() if name.startswith("pooling_mode_") and on}
    return (
        told.get("model_type") == "bert"
        and kinds[:2] == ["Transformer", "Pooling"]
        and kinds[2:] in ([], ["Normalize"])
        and modes == {"pooling_mode_mean_tokens"}
    )


def lay_over(network: Any, weights: Path) -> None:
    """Replace tensors of `network` by those in a safetensors file.

    Raises:
        ModelMissing: there is no such file.
        ModelDamaged: it cannot be read, or holds tensors that the network hasn't.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not weights.is_file():
        raise ModelMissing(f"There are no weights at {str(weights)!r}.")
    try:
        _, unexpected = network.load_state_dict(load_file(weights), strict=False)
    except (SafetensorError, OSError, RuntimeError) as exc:
        raise ModelDamaged(f"The weights {str(weights)!r} cannot be read: {exc}.") from exc
    if unexpected:
        raise ModelDamaged(
            f"The weights {str(weights)!r} hold {unexpected[0]!r}, which the base model hasn't."
        )


def cut_batches(order: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Cut rows, sorted by length, into batches of at most `tokens` padded word pieces."""
    made: list[list[int]] = []
    for row in order:
        if made and (len(made[-1]) + 1) * lengths[row] <= tokens:
            made[-1].append(row)
        else:
            made.append([row])
    return made
