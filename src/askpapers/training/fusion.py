"""Fits the ranking weights: `python -m askpapers.training.fusion --data DIR --out FILE`.

Features come from the program's own retriever over collections held in memory. The weights
maximise the likelihood of the relevant papers under a softmax over each question's candidates
(ListNet, Cao et al. 2007, eq. 5, top one), on abstractqa's dev questions and on the SciFact train
claims that neither the embedder nor the reader was trained on. Every question's features are kept,
so that parts can be left out afterwards without searching again.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from askpapers.candidates import CandidateSearch
from askpapers.encoders.embedder import Embedder, SentenceTransformerEmbedder
from askpapers.encoders.reader import Reader, Reading
from askpapers.fusion import (
    CONFIDENCE_FEATURES,
    FEATURES,
    READER_FEATURES,
    Fusion,
    confidence_features,
    find_close,
    read_features,
    standardise,
)
from askpapers.lexical import LexicalIndex
from askpapers.likelihood import Likelihood, ModelLikelihood, show_best
from askpapers.queries import QueryVocabulary, understand
from askpapers.second_reader import ModelSecondReader
from askpapers.training.collections import TODAY, MatrixIndex, Question, load_collection
from askpapers.training.pairs import is_held_out

READ_PAPERS = 12
_MOST_PER_NAT = 0.6
FIRST_RIDGE = 0.02
"""Pull of the first stage's weights towards even ones: questions of one style alone would drop
BM25's score for its coverage, which other collections don't bear out."""
_EVEN = {
    "first": {**dict.fromkeys(FEATURES, 1.0), "title": 0.3, "coverage": 5.0, "named": 0.0},
    "reader": dict.fromkeys(READER_FEATURES, 1.0),
    "confidence": {"intercept": 0.0, **dict.fromkeys(CONFIDENCE_FEATURES, 1.0)},
}
UNFITTED = Fusion.from_parameters(_EVEN)


@dataclass(frozen=True, slots=True)
class Case:
    """One question's candidates: raw features (n, f), grades (n,), and the readings of the few.

    `missed` counts relevant papers that no search brought. `readings` belong to the rows
    `read_rows`, the best by the fused score; `marked` says of each of their sentences whether it
    is marked evidence.
    """

    question: Question
    paper_ids: tuple[str, ...]
    features: np.ndarray
    grades: np.ndarray
    missed: int
    read_rows: tuple[int, ...] = ()
    readings: tuple[Reading, ...] = ()
    marked: tuple[tuple[bool, ...], ...] = ()
    passages: tuple[str, ...] = ()


class Bench:
    """A collection under the program's own searches."""

    def __init__(
        self, name: str, data: Path, embedder: Embedder, *, split: str, cache: Path | None
    ) -> None:
        collection = load_collection(name, data, split=split)
        self.questions = collection.questions
        self.dense = MatrixIndex(collection.papers, embedder, cache=cache)
        self._vocabulary = QueryVocabulary.build(collection.papers)
        self._search = CandidateSearch(self.dense, LexicalIndex.build(collection.papers), embedder)

    def gather(self, question: Question) -> Case:
        """Search once and keep the features of every candidate."""
        found = self._search.gather(understand(question.text, self._vocabulary, today=TODAY))
        grades = np.array([question.judgements.get(p, 0) for p in found.paper_ids], dtype=float)
        missed = len(set(question.judgements) - set(found.paper_ids))
        return Case(question, found.paper_ids, found.features, grades, missed)

    def read(self, case: Case, reader: Reader, fusion: Fusion) -> Case:
        """Let the reader read the best papers of a case."""
        order = np.argsort(-fusion.score(case.features), kind="stable")[:READ_PAPERS]
        papers = []
        for row in order:
            paper = self.dense.papers[case.paper_ids[row]]
            spans = self.dense.sentences(paper.paper_id)
            papers.append((paper.title, [paper.abstract[s.start : s.end] for s in spans]))
        evidence = [" ".join(e.split()) for e in case.question.evidence]
        marked = tuple(
            tuple(any(s in e or e in s for e in evidence) for s in sentences)
            for _, sentences in papers
        )
        readings = reader.read(case.question.text, papers)
        return replace(
            case,
            read_rows=tuple(int(row) for row in order),
            readings=tuple(readings),
            marked=marked,
            passages=tuple(
                show_best(*paper, reading.sentences)
                for paper, reading in zip(papers, readings, strict=True)
            ),
        )


def fit_listwise(
    groups: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    columns: Sequence[int],
    weights: Sequence[float] | None = None,
    centre: Sequence[float] | None = None,
    ridge: float = 1e-3,
) -> np.ndarray:
    """Fit linear weights so that relevant rows win the softmax over their group.

    Weights are squares of what is fitted, so none is negative: every feature is larger where a
    paper is more likely relevant, and a negative weight would only echo what two features share.

    Args:
        groups: (features (n, f), grades (n,)) of each question; those without a relevant row
            are left out.
        columns: the features that may be used; the others get weight 0.
        weights: what each group counts; default 1.
        centre: weights to stay near where the questions don't tell; default 0.
        ridge: penalty on the squared distance from the centre.

    Returns:
        Weights, float64 (f,).
    """
    import torch

    total = groups[0][0].shape[1]
    kept = [
        (torch.tensor(x[:, columns]), torch.tensor(g / g.sum()), w)
        for (x, g), w in zip(groups, weights or [1.0] * len(groups), strict=True)
        if g.sum() > 0
    ]
    middle = torch.tensor([(centre or [0.0] * total)[i] for i in columns], dtype=torch.float64)
    root = torch.full((len(columns),), 0.7, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([root], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        w = root**2
        losses = [-c * (g * torch.log_softmax(x @ w, 0)).sum() for x, g, c in kept]
        loss = (
            torch.stack(losses).sum() / sum(c for *_, c in kept) + ridge * ((w - middle) ** 2).sum()
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    out = np.zeros(total)
    out[list(columns)] = (root.detach() ** 2).numpy()
    return out


def fit_first(cases: Sequence[Case], leave_out: Sequence[str] = ()) -> dict[str, float]:
    """Fit the first stage; each collection's questions count alike."""
    groups = [(standardise(case.features), case.grades) for case in cases]
    # "named" has too few examples among these questions to be fitted: a fixed, mild bonus.
    columns = [i for i, name in enumerate(FEATURES) if name not in (*leave_out, "named")]
    sizes = Counter(case.question.kind == "claim" for case in cases)
    fitted = fit_listwise(
        groups,
        columns=columns,
        weights=[1 / sizes[case.question.kind == "claim"] for case in cases],
        centre=[_EVEN["first"][name] for name in FEATURES],
        ridge=FIRST_RIDGE,
    )
    out = {name: float(value) for name, value in zip(FEATURES, fitted, strict=True)}
    out["named"] = 0.0 if "named" in leave_out else 1.5
    return out


def fit_reader(
    cases: Sequence[Case], fusion: Fusion, leave_out: Sequence[str] = ()
) -> dict[str, float]:
    """Fit the second stage on the papers that were read."""
    groups = []
    for case in cases:
        first = fusion.score(case.features)[list(case.read_rows)]
        rows = np.array([read_features(a, b) for a, b in zip(first, case.readings, strict=True)])
        groups.append((rows, case.grades[list(case.read_rows)]))
    columns = [i for i, name in enumerate(READER_FEATURES) if name not in leave_out]
    fitted = fit_listwise(groups, columns=columns)
    return {name: float(value) for name, value in zip(READER_FEATURES, fitted, strict=True)}


def fit_likelihood(cases: Sequence[Case], fusion: Fusion, likelihood: Likelihood) -> float:
    """Fit what a nat of the question's likelihood counts, where papers are left close together.

    It is searched for on a grid from 0 to _MOST_PER_NAT; the second stage stays as it is.
    """
    groups = []
    for case in cases:
        first = fusion.score(case.features)[list(case.read_rows)]
        scores = fusion.score_read(first.tolist(), case.readings)
        close = find_close(scores)
        grades = case.grades[[case.read_rows[i] for i in close]]
        if len(close) > 1 and grades.sum() > 0:
            passages = [case.passages[i] for i in close]
            nats = np.array(likelihood.measure(case.question.text, passages))
            groups.append((scores[close], nats, grades / grades.sum()))

    def lose(weight: float) -> float:
        sums = [scores + weight * nats for scores, nats, _ in groups]
        shares = zip(sums, (g for *_, g in groups), strict=True)
        return -sum(float(g @ (s - np.logaddexp.reduce(s))) for s, g in shares)

    return float(min(np.linspace(0, _MOST_PER_NAT, 61), key=lose))


def fit_confidence(cases: Sequence[Case], fusion: Fusion) -> dict[str, float]:
    """Fit the stand-in for answerability: is the question answered by the paper put first?"""
    import torch

    rows, answered = [], []
    for case in cases:
        scores = fusion.score(case.features)
        rows.append(confidence_features(case.features, scores))
        answered.append(float(case.grades[int(np.argmax(scores))] > 0))
    x, y = torch.tensor(rows, dtype=torch.float64), torch.tensor(answered, dtype=torch.float64)
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = x @ w[1:] + w[0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
        loss = loss + 1e-3 * (w[1:] ** 2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    fitted = w.detach().tolist()
    return {"intercept": fitted[0], **dict(zip(CONFIDENCE_FEATURES, fitted[1:], strict=True))}


def fit_all(
    cases: Sequence[Case], unanswerable: Sequence[Case], likelihood: Likelihood | None = None
) -> Fusion:
    """Fit every stage; without readings the second keeps the first stage's order."""
    parts: dict[str, Any] = {**_EVEN, "first": fit_first(cases)}
    fusion = Fusion.from_parameters(parts)
    if any(case.readings for case in cases):
        read = [case for case in cases if case.readings]
        parts["reader"] = fit_reader(read, fusion)
        if likelihood is not None:
            fusion = Fusion.from_parameters(parts)
            parts["likelihood"] = fit_likelihood(read, fusion, likelihood)
    parts["confidence"] = fit_confidence([*cases, *unanswerable], fusion)
    return Fusion.from_parameters({**parts, "cosine_floor": find_floor(cases)})


def find_floor(cases: Sequence[Case]) -> float:
    """The passage cosine that three of four relevant candidates reach."""
    at = FEATURES.index("passage")
    return float(np.quantile([v for c in cases for v in c.features[c.grades > 0, at]], 0.25))


def write_manifest(path: Path, fusion: Fusion, notes: str) -> None:
    """Write `models/fusion.toml`."""
    lines = [
        'kind = "fusion"',
        'title = "Ranking weights"',
        'licence = "Apache-2.0"',
        f'notes = "{notes}"',
        "",
        "[source]",
        'type = "shipped"',
        'file = "fusion.toml"',
        "",
        "[parameters]",
        f"cosine_floor = {fusion.cosine_floor:.3f}",
        f"likelihood = {fusion.likelihood:.4f}",
    ]
    for name, table in (
        ("first", fusion.first),
        ("reader", fusion.reader),
        ("confidence", fusion.confidence),
    ):
        lines += ["", f"[parameters.{name}]"]
        lines += [f"{key} = {value:.4f}" for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def open_embedder(name: str, *, home: Path) -> SentenceTransformerEmbedder:
    """The embedder of a manifest."""
    from askpapers.models import get_manifest

    return SentenceTransformerEmbedder.load(get_manifest(name), home=home)


def open_reader(*, home: Path) -> Reader:
    """The shipped reader."""
    from askpapers.encoders.reader import TorchReader
    from askpapers.models import get_file, get_manifest

    base = get_file(get_manifest("all-minilm-l6-v2"), home=home).path.parent
    return TorchReader(base, get_file(get_manifest("reader"), home=home).path)


def open_likelihood(*, home: Path) -> ModelLikelihood:
    """The shipped likelihood of questions."""
    from askpapers.models import ModelFile, get_file, get_manifest

    def find_files() -> tuple[ModelFile, ModelFile]:
        names = ("likelihood", "smollm2-135m")
        weights, base = (get_file(get_manifest(name), home=home) for name in names)
        return weights, base

    return ModelLikelihood.load(find_files, home=home)


def open_second_reader(likelihood: ModelLikelihood, *, home: Path) -> ModelSecondReader:
    """The shipped second reader."""
    from askpapers.models import get_file, get_manifest

    manifest = get_manifest("second-reader")
    return ModelSecondReader.load(likelihood.model, lambda: get_file(manifest, home=home))


def fitting_questions(name: str, questions: Sequence[Question]) -> list[Question]:
    """Those questions of a collection that no model was trained on."""
    return [q for q in questions if name != "scifact" or is_held_out(q.question_id)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Gather, read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="manifest to write")
    parser.add_argument("--embedder", default="embedder", help="name of an embedder manifest")
    parser.add_argument("--no-reader", action="store_true", help="fit the first stage only")
    parser.add_argument("--cache", type=Path, help="folder for vectors, to run again sooner")
    options = parser.parse_args(arguments)

    from askpapers.resources import home_folder

    home = home_folder()
    embedder = open_embedder(options.embedder, home=home)
    reader = None if options.no_reader else open_reader(home=home)
    cases: list[Case] = []
    unanswerable: list[Case] = []
    for name in ("abstractqa", "scifact"):
        bench = Bench(name, options.data, embedder, split="dev", cache=options.cache)
        gathered = [bench.gather(q) for q in fitting_questions(name, bench.questions)]
        answerable = [case for case in gathered if case.question.judgements]
        unanswerable += [case for case in gathered if not case.question.judgements]
        if reader is not None:
            first = Fusion.from_parameters({**_EVEN, "first": fit_first(answerable)})
            answerable = [bench.read(case, reader, first) for case in answerable]
        cases += answerable
    likelihood = None if options.no_reader else open_likelihood(home=home)
    fusion = fit_all(cases, unanswerable, likelihood)
    notes = f"Fitted by askpapers.training.fusion on {len(cases)} questions; see fusion.md."
    write_manifest(options.out, fusion, notes)


if __name__ == "__main__":
    main()
