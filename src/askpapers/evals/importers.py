"""Makes suites of public collections: a folder with `suite.toml`, cases and, where due, a corpus.

    beir        corpus.jsonl, queries.jsonl, qrels/test.tsv (any may be .xz; SciFact's own form too)
    smart       documents and queries in SMART form with judgements: Cranfield, CISI
    pubmedqa    questions over PubMed abstracts with their conclusions (ori_pqal.json)
    abstractqa  papers.jsonl and questions.jsonl, one split; abstractqa-answers to be answered
    jsonl       {"question", "answer", "title", "abstract"} lines

The texts stay where the suite is made; nothing of them is shipped.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from askpapers.corpus.repair import repair_text
from askpapers.errors import NotFound, ResourceError, UsageError
from askpapers.metrics.facts import find_numbers
from askpapers.resources import make_folder

_PAPERS_FILE = "papers.jsonl"
_SMART_ENTRY = re.compile(r"^\.I\s+(\d+)\s*$", re.MULTILINE)
_SMART_FIELD = re.compile(r"^\.([A-Z])\s*$", re.MULTILINE)
# Cranfield codes relevance from 1 (a complete answer) to 4 (of least interest).
_CRANFIELD_GRADES = {1: 4, 2: 3, 3: 2, 4: 1, -1: 1}

_RANKED = ("ndcg@10", "recall@10", "mrr", "hit@1")
_RANKED_WITH_EVIDENCE = ("hit@1", "recall@5", "ndcg@10", "evidence@1", "evidence@3")
_CITED = (
    "faithfulness", "key_fact_recall", "gold_evidence_cited", "citation_precision",
    "invalid_citations", "nonverbatim_quotations", "written_share", "answered_rate",
    "abstention_f1", "evidence@1", "hit@1", "total_s",
)  # fmt: skip
_ANSWERED = ("faithfulness", "citation_precision", "similarity", "answered_rate", "hit@1")


@dataclass(frozen=True, slots=True)
class Draft:
    """A suite before it is written.

    Attributes:
        papers: (id, title, abstract), the abstract as the corpus reader will keep it.
        cases: As lines of a cases file, papers by id.
    """

    kind: str
    purpose: str
    licence: str
    metrics: tuple[str, ...]
    papers: list[tuple[str, str, str]]
    cases: list[dict[str, Any]] = field(default_factory=list)


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        for path in (folder / name, folder / f"{name}.xz"):
            if path.is_file():
                return path
    raise NotFound(
        f"The folder {str(folder)!r} has no file {' or '.join(map(repr, names))}.",
        hint="see evals/README.md for the layouts",
    )


def _read_text(path: Path) -> str:
    try:
        if path.suffix == ".xz":
            return lzma.decompress(path.read_bytes()).decode("utf-8")
        return path.read_text(encoding="utf-8")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as exc:
        raise ResourceError(f"The file {str(path)!r} cannot be read: {exc}.") from exc


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except json.JSONDecodeError as exc:
                raise ResourceError(f"{path}:{number} is not JSON: {exc.msg}.") from exc
            if not isinstance(value, dict):
                raise ResourceError(f"{path}:{number} is not an object.")
            yield value


def _paper(paper_id: object, title: str, abstract: str) -> tuple[str, str, str]:
    """A paper as the corpus reader keeps it, so that quotations can be found in it.

    Collections hold papers without a text (two of Cranfield's); they stay, to be missed.
    """
    title, abstract = repair_text(title), repair_text(abstract)
    return str(paper_id), title or f"(untitled {paper_id})", abstract or title or "(no text)"


def _by_rank(judged: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"paper_id": paper, "grade": grade} for paper, grade in judged.items()]


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Tab-separated query, document, grade, after a header line."""
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        parts = line.split("\t")
        if number == 1 and not parts[-1].strip().lstrip("-").isdigit():
            continue
        try:
            query, paper, grade = parts[0], parts[-2], int(parts[-1])
        except (ValueError, IndexError):
            raise ResourceError(f"{path}:{number} is not a judgement.") from None
        judged.setdefault(query, {})[paper] = max(grade, 0)
    return judged


def import_beir(folder: Path) -> Draft:
    """A BEIR folder (Thakur et al., NeurIPS 2021), or SciFact in its authors' form.

    Raises:
        NotFound: a file is missing.
        ResourceError: a file is malformed.
    """
    papers = []
    for row in _read_lines(_find(folder, "corpus.jsonl")):
        text = row.get("text", row.get("abstract", ""))
        text = " ".join(text) if isinstance(text, list) else text
        papers.append(_paper(row.get("_id", row.get("doc_id")), row.get("title", ""), text))
    judged = _read_qrels(_find(folder, "qrels/test.tsv", "qrels_test.tsv", "qrels_train.tsv"))
    known = {paper[0] for paper in papers}
    cases = []
    for row in _read_lines(_find(folder, "queries.jsonl", "queries_test.jsonl",
                                 "queries_train.jsonl")):  # fmt: skip
        name = str(row.get("_id", row.get("id")))
        grades = {paper: grade for paper, grade in judged.get(name, {}).items() if paper in known}
        if any(grades.values()):
            cases.append({"id": name, "question": row.get("text", row.get("claim")),
                          "papers": _by_rank(grades)})  # fmt: skip
    return Draft(
        "retrieval", f"BEIR collection {folder.name}.", "see the collection", _RANKED, papers, cases
    )


def _read_smart(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Entries of a SMART file: id and the text of each field, lines joined."""
    pieces = _SMART_ENTRY.split(_read_text(path))
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        parts = _SMART_FIELD.split(body)
        fields: dict[str, str] = {}
        for key, text in zip(parts[1::2], parts[2::2], strict=True):
            fields.setdefault(key, " ".join(text.split()))
        yield str(int(name)), fields


def import_smart(folder: Path) -> Draft:
    """Cranfield (Cleverdon, 1967) or CISI, in the form of the SMART system.

    Cranfield's judgements number the queries by their place; its abstracts repeat the title, which
    is taken off.

    Raises:
        NotFound: a file is missing.
    """
    is_cranfield = (folder / "cran.all.1400").is_file()
    documents = _find(folder, "cran.all.1400", "CISI.ALL")
    queries = _find(folder, "cran.qry", "CISI.QRY")
    judgements = _find(folder, "cranqrel", "CISI.REL")
    papers = []
    for name, fields in _read_smart(documents):
        title, text = fields.get("T", ""), fields.get("W", "")
        papers.append(_paper(name, title, text.removeprefix(title).strip() or title))
    judged: dict[str, dict[str, int]] = {}
    for line in _read_text(judgements).splitlines():
        parts = line.split()
        if len(parts) >= 2:
            grade = _CRANFIELD_GRADES.get(int(parts[2]), 0) if is_cranfield else 1
            judged.setdefault(parts[0], {})[parts[1]] = grade
    cases = []
    for place, (name, fields) in enumerate(_read_smart(queries), start=1):
        key = str(place) if is_cranfield else name
        if key in judged and fields.get("W"):
            cases.append({"id": key, "question": fields["W"], "papers": _by_rank(judged[key])})
    return Draft(
        "retrieval", f"{'Cranfield' if is_cranfield else 'CISI'}, judged by people.",
        "classic public collection", _RANKED, papers, cases,
    )  # fmt: skip


def import_pubmedqa(folder: Path) -> Draft:
    """PubMedQA's labelled part (Jin et al., EMNLP 2019): the conclusion is the reference.

    Raises:
        NotFound: the file is missing.
        ResourceError: it is malformed.
    """
    path = folder if folder.is_file() else _find(folder, "ori_pqal.json")
    papers, cases = [], []
    try:
        rows = json.loads(_read_text(path))
        for name, row in rows.items():
            # PubMedQA has no titles: its questions are the titles, turned into questions.
            papers.append(_paper(name, row["QUESTION"], " ".join(row["CONTEXTS"])))
            cases.append(
                {
                    "id": name,
                    "question": row["QUESTION"],
                    "papers": [{"paper_id": name}],
                    "reference": row["LONG_ANSWER"],
                    "tags": [row["final_decision"]],
                }
            )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise ResourceError(f"The file {str(path)!r} is not PubMedQA: {exc!r}.") from exc
    return Draft(
        "answers", "Questions over PubMed abstracts, conclusions as references.", "MIT", _ANSWERED,
        papers, cases,
    )  # fmt: skip


def import_abstractqa(folder: Path, split: str = "test") -> Draft:
    """Questions over ML abstracts with marked evidence; all abstracts are the corpus.

    Raises:
        NotFound: a file is missing.
        ResourceError: a file is malformed.
    """
    rows = {row["paper"]: row for row in _read_lines(_find(folder, "papers.jsonl"))}
    papers = [_paper(name, row["title"], " ".join(row["sentences"])) for name, row in rows.items()]
    abstracts = {paper[0]: paper[2] for paper in papers}
    cases = []
    for row in _read_lines(_find(folder, "questions.jsonl")):
        if row["split"] != split or row["kind"] == "unanswerable":
            continue
        name = row["paper"]
        quotes = [repair_text(rows[name]["sentences"][place]) for place in row["evidence"]]
        cases.append(
            {
                "id": row["id"],
                "question": row["question"],
                "papers": [{"paper_id": name}],
                "evidence": [
                    {"paper_id": name, "quote": quote}
                    for quote in quotes
                    if quote in abstracts[name]
                ],
                "reference": row["answer"],
                "tags": [row["kind"]],
            }
        )
    return Draft(
        "retrieval", f"abstractqa, split {split}: which paper, which sentence.",
        "questions Apache-2.0, abstracts of their authors", _RANKED_WITH_EVIDENCE, papers, cases,
    )  # fmt: skip


def import_abstractqa_answers(folder: Path, split: str = "test") -> Draft:
    """The same questions to be answered, and those that their abstract does not answer.

    The figures of a reference answer are its key facts; a question whose reference has none is
    not judged by them.

    Raises:
        NotFound: a file is missing.
        ResourceError: a file is malformed.
    """
    draft = import_abstractqa(folder, split)
    cases: list[dict[str, Any]] = [
        {**case, "key_facts": sorted(find_numbers(case["reference"]))} for case in draft.cases
    ]
    cases += [
        {
            "id": row["id"],
            "question": row["question"],
            "unanswerable": "its abstract does not state it",
            "tags": [row["kind"]],
        }
        for row in _read_lines(_find(folder, "questions.jsonl"))
        if row["split"] == split and row["kind"] == "unanswerable"
    ]
    return replace(
        draft,
        kind="answers",
        purpose=f"abstractqa, split {split}: answers by what the abstracts state.",
        metrics=_CITED,
        cases=cases,
    )


def import_jsonl(path: Path) -> Draft:
    """Lines of {"question", "answer", "title", "abstract"}, optional "id" and "key_facts".

    Raises:
        ResourceError: a line lacks one of them.
    """
    papers: dict[str, tuple[str, str, str]] = {}
    cases = []
    for number, row in enumerate(_read_lines(path), start=1):
        missing = [key for key in ("question", "title", "abstract") if not row.get(key)]
        if missing:
            raise ResourceError(f"{path}: object {number} has no {missing[0]!r}.")
        name = f"p{len(papers) + 1}"
        paper = papers.setdefault(row["title"], _paper(name, row["title"], row["abstract"]))
        cases.append(
            {
                "id": str(row.get("id", f"q{number}")),
                "question": row["question"],
                "papers": [{"paper_id": paper[0]}],
                "reference": row.get("answer", ""),
                "key_facts": row.get("key_facts", []),
            }
        )
    metrics = ("faithfulness", "key_fact_recall", "similarity", "answered_rate", "hit@1")
    return Draft(
        "answers", f"Questions of {path.name}.", "of its owner", metrics, list(papers.values()),
        cases,
    )  # fmt: skip


_IMPORTERS: Mapping[str, Callable[[Path], Draft]] = {
    "beir": import_beir,
    "smart": import_smart,
    "pubmedqa": import_pubmedqa,
    "abstractqa": import_abstractqa,
    "abstractqa-answers": import_abstractqa_answers,
    "jsonl": import_jsonl,
}


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), "utf-8"
    )


def _toml_list(values: Sequence[str]) -> str:
    return "[" + ", ".join(json.dumps(value) for value in values) + "]"


def write_suite(draft: Draft, folder: Path, name: str) -> Path:
    """Writes a draft as the folder of a suite and returns the folder.

    Raises:
        ResourceError: it has no cases.
        StorageFailed: the folder cannot be made.
    """
    if not draft.cases:
        raise ResourceError(f"The suite {name!r} would have no cases.")
    make_folder(folder)
    lines = (
        f"name = {json.dumps(name)}",
        'version = "1"',
        f"purpose = {json.dumps(draft.purpose)}",
        f'kind = "{draft.kind}"',
        f"corpus = {_toml_list([_PAPERS_FILE])}",
        f"metrics = {_toml_list(draft.metrics)}",
        f"licence = {json.dumps(draft.licence)}",
    )
    (folder / "suite.toml").write_text("\n".join(lines) + "\n", "utf-8")
    _write_lines(
        folder / _PAPERS_FILE,
        ({"id": name, "title": title, "abstract": text} for name, title, text in draft.papers),
    )
    _write_lines(folder / "cases.jsonl", draft.cases)
    return folder


def import_suite(kind: str, source: Path, folder: Path, *, name: str | None = None) -> Path:
    """Makes the folder of a suite of a public collection.

    Args:
        kind: beir, smart, pubmedqa, abstractqa, abstractqa-answers or jsonl.
        source: The folder or file of the collection.
        folder: Where the suite is written; `eval run FOLDER` runs it.
        name: Of the suite; without, the name of the folder.

    Raises:
        UsageError: there is no such kind.
        NotFound: a file of the collection is missing.
        ResourceError: a file is malformed.
        StorageFailed: the suite cannot be written.
    """
    if kind not in _IMPORTERS:
        raise UsageError(f"There is no importer {kind!r}.", hint=f"one of: {', '.join(_IMPORTERS)}")
    chosen = name or re.sub(r"[^a-z0-9-]+", "-", folder.name.lower()).strip("-") or "imported"
    return write_suite(_IMPORTERS[kind](source), folder, chosen)
