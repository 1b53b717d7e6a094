"""Papers as files: JSON Lines, CSV and BibTeX that `index build` reads back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator

from askpapers.domain import Paper

_COLUMNS = ("id", "title", "abstract", "date", "authors", "url")
_SPECIAL = re.compile(r"([&%$#_])")
_BRACES = str.maketrans({"{": "(", "}": ")", "\\": "/"})
_KEY = re.compile(r"[^A-Za-z0-9:_.-]")


def write_jsonl(papers: Iterable[Paper]) -> Iterator[str]:
    """Yield one JSON object a paper, without the fields that it leaves out."""
    for paper in papers:
        fields = {
            "id": paper.paper_id,
            "title": paper.title,
            "abstract": paper.abstract,
            "date": paper.date or paper.date_text,
            "authors": list(paper.authors),
            "authors_count": paper.authors_count,
            "comments": paper.comments,
            "url": paper.url,
        }
        kept = {name: value for name, value in fields.items() if value not in (None, [])}
        yield json.dumps(kept, ensure_ascii=False) + "\n"


def write_csv(papers: Iterable[Paper]) -> Iterator[str]:
    """Yield a header and a row a paper; authors are parted by semicolons."""
    yield _row(_COLUMNS)
    for paper in papers:
        # One name with a comma in it would be read as two without the semicolon.
        authors = "; ".join(paper.authors) + ";" * (len(paper.authors) == 1)
        date = paper.date or paper.date_text or ""
        yield _row((paper.paper_id, paper.title, paper.abstract, date, authors, paper.url or ""))


def write_bibtex(papers: Iterable[Paper]) -> Iterator[str]:
    """Yield an entry a paper. Abstracts keep their formulas; braces are kept where they match."""
    for number, paper in enumerate(papers, 1):
        title = f"{{{escape_bibtex(paper.title)}}}"
        fields = {"title": title, "abstract": _balance(paper.abstract)}
        if paper.authors:
            fields["author"] = " and ".join(escape_bibtex(author) for author in paper.authors)
        if paper.date:
            fields |= {"date": paper.date, "year": paper.date[:4]}
        if paper.url:
            fields["url"] = _balance(paper.url)
        key = _KEY.sub("", paper.paper_id) or f"paper{number}"
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        yield f"@misc{{{key},\n{body}\n}}\n\n"


FORMATS: dict[str, Callable[[Iterable[Paper]], Iterator[str]]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "bibtex": write_bibtex,
}


def escape_bibtex(text: str) -> str:
    """Return a text that LaTeX prints as it is, but for braces and backslashes."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()).translate(_BRACES))


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _balance(text: str) -> str:
    """Return a text that cannot end the braces around it."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            break
    # A backslash before a brace hides it from some readers of BibTeX and not from others.
    sound = depth == 0 and not text.endswith("\\") and not re.search(r"\\[{}]", text)
    return text if sound else text.translate(_BRACES)
