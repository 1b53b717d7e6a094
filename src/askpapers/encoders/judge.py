"""The judge's network: a claim and its evidence read together by the MiniLM layers.

`[CLS] claim [SEP] evidence [SEP]` goes through the six layers once. A head on the claim's words
says of each word whether the evidence holds it; the pair's head reads [CLS], the mean and the
maximum of the claim's states, and the most doubtful words, and gives three logits: supported,
neither, contradicted.

The word embeddings stay those of the MiniLM package; `models/judge.safetensors` holds the rest in
half precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from askpapers.encoders.bert import has_fast_bfloat16, load_bert
from askpapers.encoders.mean_bert import MeanBert, cut_batches
from askpapers.errors import ModelDamaged, ModelMissing

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIECES = 352
"""Word pieces of one pass; the evidence is cut behind."""
MAX_CLAIM_PIECES = 128
CLASSES = ("supported", "neither", "contradicted")

MAX_PLAIN_PIECES = 256
"""What the untrained MiniLM reads of one text."""

_FROZEN = "bert.embeddings.word_embeddings.weight"
_MAX_TOKENS_PER_BATCH = 6144


def build_network(base: Path) -> Any:
    """A fresh torch module: the layers of the MiniLM folder `base` under new heads.

    Raises:
        ModelMissing: `base` holds no MiniLM weights.
    """
    import torch
    from torch import nn

    class Network(nn.Module):
        """Logits of pairs (b, 3) and of claim words (b, t)."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = load_bert(base)
            width = self.bert.width
            self.words = nn.Linear(width, 1)
            self.mix = nn.Linear(3 * width + 2, width)
            self.out = nn.Linear(width, len(CLASSES))

        def forward(self, ids: Tensor, kinds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            """Read a batch.

            Args:
                ids: Word pieces (b, t).
                kinds: 0 claim, 1 evidence (b, t).
                mask: 1 where there is a piece (b, t).
            """
            states = self.bert(input_ids=ids, token_type_ids=kinds, attention_mask=mask).to(
                self.out.weight.dtype
            )
            claim = (mask * (1 - kinds)).bool()
            claim = claim.index_fill(1, torch.zeros(1, dtype=torch.long), False)
            weight = claim.unsqueeze(-1).to(states.dtype)
            mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1)
            top = states.masked_fill(~claim.unsqueeze(-1), -1e4).amax(1)
            doubts = self.words(states).squeeze(-1)
            hidden = doubts.masked_fill(~claim, -1e4)
            worst = torch.stack((hidden.amax(1), hidden.topk(2, dim=1).values[:, 1]), dim=1)
            worst = worst.clamp(-12, 12)
            read = torch.cat((states[:, 0], mean, top, worst), 1)
            mixed = torch.nn.functional.gelu(self.mix(read))
            return self.out(mixed), doubts

    return Network()


def load_untrained(base: Path) -> MeanBert:
    """MiniLM as its package has it, whose cosine stands beside the trained layers.

    Raises:
        ModelMissing, ModelDamaged: as `MeanBert`.
    """
    return MeanBert(base, max_tokens=MAX_PLAIN_PIECES)


def encode_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], int]]:
    """Word pieces of each pair with the number of pieces that belong to the claim's part."""
    claims = tokenizer.encode_batch([claim for claim, _ in pairs], add_special_tokens=False)
    proofs = tokenizer.encode_batch([proof for _, proof in pairs], add_special_tokens=False)
    start, stop = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    made = []
    for claim, proof in zip(claims, proofs, strict=True):
        head = [start, *claim.ids[:MAX_CLAIM_PIECES], stop]
        room = MAX_PIECES - len(head) - 1
        made.append(([*head, *proof.ids[:room], stop], len(head)))
    return made


def load_tokenizer(base: Path) -> Any:
    """The word piece tokenizer of the MiniLM folder, without padding or truncation."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def make_batch(encoded: Sequence[tuple[list[int], int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Pad encoded pairs to tensors ids, kinds, mask, each (b, t) of int64."""
    import torch

    width = max(len(ids) for ids, _ in encoded)
    ids = torch.zeros(len(encoded), width, dtype=torch.long)
    kinds = torch.zeros_like(ids)
    mask = torch.zeros_like(ids)
    for row, (pieces, head) in enumerate(encoded):
        ids[row, : len(pieces)] = torch.tensor(pieces)
        kinds[row, head : len(pieces)] = 1
        mask[row, : len(pieces)] = 1
    return ids, kinds, mask


def load_network(weights: Path, base: Path) -> Any:
    """The network, float32, with the layers of `weights` over the word embeddings of `base`.

    Raises:
        ModelMissing: there is no file at `weights`.
        ModelDamaged: the file does not hold this network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not weights.is_file():
        raise ModelMissing(f"The judge's weights are not at {str(weights)!r}.")
    network = build_network(base)
    try:
        state = {name: value.float() for name, value in load_file(weights).items()}
        missing, unexpected = network.load_state_dict(state, strict=False)
    except (SafetensorError, RuntimeError) as exc:
        raise ModelDamaged(f"The judge's weights at {str(weights)!r} cannot be read.") from exc
    if unexpected or set(missing) - {_FROZEN}:
        raise ModelDamaged(f"The judge's weights at {str(weights)!r} are of another network.")
    return network


class PairScorer:
    """Logits for (claim, evidence) pairs by the trained network."""

    def __init__(self, network: Any, plain: MeanBert, tokenizer: Any) -> None:
        import torch

        self._network = network.eval()
        self._plain = plain
        if has_fast_bfloat16():
            self._network.bert.to(torch.bfloat16)
        self._tokenizer = tokenizer
        self._lock = Lock()

    @classmethod
    def load(cls, weights: Path, base: Path) -> PairScorer:
        """Put the shipped layers over the word embeddings of the MiniLM folder `base`.

        Raises:
            ModelMissing: there is no file at `weights`.
            ModelDamaged: the file does not hold this network.
        """
        return cls(load_network(weights, base), load_untrained(base), load_tokenizer(base))

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """What the network says of each pair.

        Returns:
            Float32 (n, 5): logits of `CLASSES` and of the claim's most doubtful word; the cosine of
            claim and evidence in the untrained MiniLM.
        """
        import torch

        found = np.zeros((len(pairs), len(CLASSES) + 2), dtype=np.float32)
        if not pairs:
            return found
        encoded = encode_pairs(self._tokenizer, pairs)
        order = sorted(range(len(pairs)), key=lambda index: len(encoded[index][0]))
        with self._lock, torch.inference_mode():
            lengths = [len(ids) for ids, _ in encoded]
            for rows in cut_batches(order, lengths, _MAX_TOKENS_PER_BATCH):
                ids, kinds, mask = make_batch([encoded[row] for row in rows])
                logits, doubts = self._network(ids, kinds, mask)
                claim = (mask * (1 - kinds)).bool()
                claim[:, 0] = False
                worst = doubts.masked_fill(~claim, -30.0).amax(1, keepdim=True)
                found[rows, :-1] = torch.cat((logits, worst), 1).numpy()
            found[:, -1] = self._cosines(pairs)
        return found

    def _cosines(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Cosines (n,) of the mean states of claim and evidence."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        vectors = self._plain.embed(texts)
        place = {text: row for row, text in enumerate(texts)}
        first = vectors[[place[claim] for claim, _ in pairs]]
        second = vectors[[place[proof] for _, proof in pairs]]
        return np.asarray((first * second).sum(1))
