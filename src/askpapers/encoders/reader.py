"""The reader: one pass over a question and an abstract that judges paper, sentences and answer.

Joint reading: `[CLS] question [SEP] title [SEP] sentence_1 ... sentence_n [SEP]` goes through the
six MiniLM layers once per paper. The states of each sentence are averaged and scored against the
states of the question (is this sentence evidence?), and the whole is scored twice more (is the
paper relevant? does it state what is asked?). Sentences are read in their context, at about a
third of the cost of scoring (question, sentence) pairs one by one.

The embeddings stay those of the MiniLM package; `models/reader.safetensors` holds the transformer
layers and the heads in half precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from askpapers.encoders.bert import has_fast_bfloat16, load_bert
from askpapers.errors import ModelDamaged, ModelMissing

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIECES = 384
"""Word pieces of one window; longer abstracts are read in several windows of whole sentences."""
MAX_QUESTION_PIECES = 96
MAX_TITLE_PIECES = 64

_FROZEN = "bert.embeddings."
_HIDDEN = 192
_QUESTION, _TITLE, _FIRST_SENTENCE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader thinks of one paper for one question: probabilities, larger is better.

    `relevance`: the paper is about what is asked. `answerable`: the abstract states the asked
    thing, its kind of answer (a number, a name, a reason) included. `sentences`: each sentence,
    in the order given, is evidence for the answer.
    """

    relevance: float
    answerable: float
    sentences: tuple[float, ...]


class Reader(Protocol):
    """Reads papers, given as (title, sentences of the abstract), for a question."""

    def read(self, question: str, papers: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        """Return one reading per paper, in the order given."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """Word pieces of one pass and the segment of each.

    `segments` is -1 for marks, 0 for the question, 1 for the title, 2 + i for the i-th of this
    window's sentences, which are numbers `first` to `first + count - 1` of the abstract.
    """

    ids: tuple[int, ...]
    segments: tuple[int, ...]
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Logits:
    """Log-odds of one batch: relevance (b,), answerable (b,), sentences (b, s), -inf where none."""

    relevance: Tensor
    answerable: Tensor
    sentences: Tensor


class WindowCutter:
    """Cuts a question and an abstract into windows of word pieces.

    Raises:
        ModelMissing: the folder holds no `tokenizer.json`.
        ModelDamaged: the tokenizer is not BERT's.
    """

    def __init__(self, base_folder: Path) -> None:
        from tokenizers import Tokenizer

        path = base_folder / "tokenizer.json"
        if not path.is_file():
            raise ModelMissing(f"There is no tokenizer at {str(path)!r}.")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._cls = self._mark("[CLS]")
        self._sep = self._mark("[SEP]")
        self.pad = self._mark("[PAD]")

    def _mark(self, name: str) -> int:
        number = self._tokenizer.token_to_id(name)
        if number is None:
            raise ModelDamaged(f"The tokenizer of the reader knows no {name!r}.")
        return int(number)

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [e.ids for e in encoded]

    def cut(self, question: str, title: str, sentences: Sequence[str]) -> list[Window]:
        """Return the windows of one paper, at least one, together holding every sentence."""
        asked, named, *told = self._pieces([question, title, *sentences])
        asked, named = asked[:MAX_QUESTION_PIECES], named[:MAX_TITLE_PIECES]
        head = [self._cls, *asked, self._sep, *named, self._sep]
        marks = [-1, *[_QUESTION] * len(asked), -1, *[_TITLE] * len(named), -1]
        room = MAX_PIECES - len(head) - 1
        windows: list[Window] = []
        ids, segments, first, count = list(head), list(marks), 0, 0
        for number, pieces in enumerate(told):
            pieces = pieces[:room] or [self._sep]  # an empty sentence still needs a state
            if count and len(ids) + len(pieces) + 1 > MAX_PIECES:
                windows.append(self._close(ids, segments, first, count))
                ids, segments, first, count = list(head), list(marks), number, 0
            ids += pieces
            segments += [_FIRST_SENTENCE + count] * len(pieces)
            count += 1
        windows.append(self._close(ids, segments, first, count))
        return windows

    def _close(self, ids: list[int], segments: list[int], first: int, count: int) -> Window:
        return Window((*ids, self._sep), (*segments, -1), first, count)


class ReaderNetwork:
    """MiniLM with three heads. `modules` holds everything that is trained or moved.

    Raises:
        ModelMissing: `base_folder` holds no MiniLM weights.
    """

    def __init__(self, base_folder: Path) -> None:
        from torch import nn

        bert = load_bert(base_folder)
        size = int(bert.width)

        def head() -> nn.Module:
            return nn.Sequential(nn.Linear(4 * size, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))

        self.modules = nn.ModuleDict(
            {
                "bert": bert,
                "sentence": head(),
                "relevance": head(),
                "answerable": head(),
                # Weights and biases of the cosines: the untrained reader ranks as MiniLM does.
                "mix": nn.ParameterDict(
                    {
                        "sentence": _vector(8.0, -4.0),
                        "relevance": _vector(8.0, -4.0),
                        "answerable": _vector(0.5, 0.0),
                    }
                ),
            }
        )
        for name in ("sentence", "relevance", "answerable"):
            nn.init.zeros_(self.modules[name][2].weight)  # type: ignore[index]
            nn.init.zeros_(self.modules[name][2].bias)  # type: ignore[index]

    def score(self, ids: Tensor, segments: Tensor, pad: int) -> Logits:
        """Score a batch: ids and segments int64 (b, l), padded with `pad` and -1."""
        import torch

        states = self.modules["bert"](
            input_ids=ids,
            attention_mask=ids.ne(pad).long(),
            token_type_ids=(segments >= _TITLE).long(),
        ).float()  # the heads stay in single precision: bfloat16 makes ties
        count = int(segments.max()) + 1
        member = segments.unsqueeze(1) == torch.arange(count).to(ids.device).view(1, -1, 1)
        sizes = member.sum(-1, keepdim=True)
        weights = member / sizes.clamp(min=1)
        pooled = torch.bmm(weights, states)  # (b, segments, h)
        question, sentences = pooled[:, _QUESTION], pooled[:, _FIRST_SENTENCE:]
        first = states[:, 0]
        exists = sizes[:, _FIRST_SENTENCE:, 0] > 0
        mix: Any = self.modules["mix"]

        wide = question.unsqueeze(1).expand_as(sentences)
        by_sentence = torch.cat(
            [
                sentences,
                wide * sentences,
                (wide - sentences).abs(),
                first.unsqueeze(1).expand_as(sentences),
            ],
            -1,
        )
        told = self.modules["sentence"](by_sentence).squeeze(-1).float()
        told = told + _affine(mix["sentence"], _cosine(wide, sentences))
        told = told.masked_fill(~exists, float("-inf"))

        paper = member[:, _TITLE:].any(1) / sizes[:, _TITLE:].sum(1).clamp(min=1)
        whole = torch.bmm(paper.unsqueeze(1), states).squeeze(1)
        relevance = self._head("relevance", first, question, whole)
        relevance = relevance + _affine(mix["relevance"], _cosine(question, whole))

        if told.shape[1] == 0:
            told_max, best = torch.full_like(relevance, -10.0), torch.zeros_like(whole)
        else:
            # A window without sentences (a paper without an abstract) attends to nothing.
            safe = told.masked_fill(~exists, -10.0)
            best = torch.bmm(safe.softmax(-1).unsqueeze(1), sentences).squeeze(1)
            told_max = safe.max(-1).values
        answerable = self._head("answerable", first, question, best)
        answerable = answerable + _affine(mix["answerable"], told_max)
        return Logits(relevance, answerable, told)

    def _head(self, name: str, first: Tensor, left: Tensor, right: Tensor) -> Tensor:
        import torch

        together = torch.cat([first, left, right, left * right], -1)
        scores: Tensor = self.modules[name](together)
        return scores.squeeze(-1).float()

    def freeze(self, layers: int) -> None:
        """Hold the embeddings and the first `layers` transformer layers as MiniLM has them."""
        bert: Any = self.modules["bert"]
        bert.embeddings.requires_grad_(False)
        for layer in bert.encoder.layer[:layers]:
            layer.requires_grad_(False)

    def weights(self) -> dict[str, Tensor]:
        """Return what is shipped: everything but the embeddings, in float16."""
        import torch

        return {
            name: value.detach().to(torch.float16).contiguous()
            for name, value in self.modules.state_dict().items()
            if not name.startswith(_FROZEN)
        }

    def load(self, weights: Mapping[str, Tensor], *, source: str) -> None:
        """Lay `weights` over the base.

        Raises:
            ModelDamaged: names or shapes are not those of this network.
        """
        expected = self.weights()
        if {n: v.shape for n, v in weights.items()} != {n: v.shape for n, v in expected.items()}:
            raise ModelDamaged(f"The weights at {source!r} do not fit the reader's network.")
        self.modules.load_state_dict(dict(weights), strict=False)


def _vector(*values: float) -> Any:
    import torch

    return torch.nn.Parameter(torch.tensor(values))


def _affine(pair: Tensor, value: Tensor) -> Tensor:
    return pair[0].float() * value.float() + pair[1].float()


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.cosine_similarity(left.float(), right.float(), dim=-1)


def stack(windows: Sequence[Window], pad: int) -> tuple[Tensor, Tensor]:
    """Return ids and segments of the windows as int64 (b, longest), padded.

    Lengths go in steps of 16: every new shape costs the matrix library time and memory.
    """
    import torch

    longest = math.ceil(max(len(w.ids) for w in windows) / 16) * 16
    ids = torch.full((len(windows), longest), pad, dtype=torch.long)
    segments = torch.full((len(windows), longest), -1, dtype=torch.long)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = torch.tensor(window.ids)
        segments[row, : len(window.ids)] = torch.tensor(window.segments)
    return ids, segments


class TorchReader:
    """The reader on PyTorch: bfloat16 where the processor has it, one thread of control at a time.

    Args:
        base_folder: MiniLM as its package lays it out (config, tokenizer, weights).
        weights_path: `models/reader.safetensors`.
        batch_size: windows of one pass; they are sorted by length first, so little is padding.

    Raises:
        ModelMissing: a file is not there.
        ModelDamaged: the weights cannot be read or belong to another network.
    """

    def __init__(self, base_folder: Path, weights_path: Path, *, batch_size: int = 4) -> None:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not weights_path.is_file():
            raise ModelMissing(f"There are no reader weights at {str(weights_path)!r}.")
        self._cutter = WindowCutter(base_folder)
        self._network = ReaderNetwork(base_folder)
        try:
            weights = load_file(weights_path)
        except (SafetensorError, OSError) as exc:
            raise ModelDamaged(
                f"The reader weights at {str(weights_path)!r} cannot be read: {exc}."
            ) from exc
        self._network.load(weights, source=str(weights_path))
        self._network.modules.eval()
        self._dtype = torch.bfloat16 if has_fast_bfloat16() else torch.float32
        self._network.modules["bert"].to(self._dtype)
        self._batch_size = batch_size
        self._lock = Lock()

    def read(self, question: str, papers: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        """Return one reading per paper, in the order given."""
        import torch

        cut = [self._cutter.cut(question, title, sentences) for title, sentences in papers]
        flat = [(row, window) for row, windows in enumerate(cut) for window in windows]
        flat.sort(key=lambda pair: len(pair[1].ids))
        relevance = [0.0] * len(papers)
        answerable = [0.0] * len(papers)
        sentences = [[0.0] * len(told) for _, told in papers]
        with self._lock, torch.inference_mode():
            for start in range(0, len(flat), self._batch_size):
                batch = flat[start : start + self._batch_size]
                ids, segments = stack([w for _, w in batch], self._cutter.pad)
                logits = self._network.score(ids, segments, self._cutter.pad)
                # double precision keeps the order of very sure judgements apart
                tensors = (logits.relevance, logits.answerable, logits.sentences)
                whole, stated, told = (t.double().sigmoid().tolist() for t in tensors)
                for place, (row, window) in enumerate(batch):
                    relevance[row] = max(relevance[row], whole[place])
                    answerable[row] = max(answerable[row], stated[place])
                    last = window.first + window.count
                    sentences[row][window.first : last] = told[place][: window.count]
        return [
            Reading(r, a, tuple(s))
            for r, a, s in zip(relevance, answerable, sentences, strict=True)
        ]
