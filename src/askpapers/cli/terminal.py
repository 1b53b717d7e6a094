"""What people see in a terminal: answers with their proof, hits, tables, progress."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence

from askpapers.citations import render_sentence
from askpapers.domain import Answer, Hit, SearchResult, Sentence

Progress = Callable[[int, int, str], None]

_VERDICT_WORDS = {
    "supported": "supported",
    "partial": "partly supported",
    "unsupported": "no support",
}
_REFRESH_SECONDS = 0.1
_OTHERS_SHOWN = 3


def say(text: str) -> None:
    """Talk to the person: stderr, never part of the result."""
    print(text, file=sys.stderr, flush=True)


def width() -> int:
    """Return the columns to wrap at: the terminal's, at most 100."""
    return min(shutil.get_terminal_size((88, 24)).columns, 100)


def wrap(text: str, *, indent: str = "", first: str | None = None) -> str:
    """Wrap one paragraph; `first` replaces the indent of its first line."""
    return textwrap.fill(
        text,
        width(),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bold(text: str) -> str:
    """Make text bold where stdout is a terminal."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


class ProgressLine:
    """Shows (done, total, label): a line that renews itself on a terminal, labels elsewhere."""

    def __init__(self) -> None:
        self._label = ""
        self._started = 0.0
        self._shown = 0.0

    def __call__(self, done: int, total: int, label: str) -> None:
        """Show how far a step is; total is 0 while unknown."""
        now = time.monotonic()
        live = sys.stderr.isatty()
        step = label.partition(",")[0]
        if step != self._label:
            if self._label and live:
                print(file=sys.stderr)
            self._label, self._started, self._shown = step, now, 0.0
            if not live:
                say(f"{step} …")
        finished = bool(total) and done >= total
        if not live or (now - self._shown < _REFRESH_SECONDS and not finished):
            return
        self._shown = now
        amount = f"{done:,} of {total:,}" if total else f"{done:,}" if done else "…"
        left = (now - self._started) * (total - done) / done if done and total else 0.0
        line = f"{label}: {amount}"
        if left >= 1 and "left" not in label:
            line += f", about {left:.0f} s left"
        print(f"\r\033[K{line}", end="\n" if finished else "", file=sys.stderr, flush=True)
        if finished:
            self._label = ""


def make_progress() -> Progress:
    """Return what shows progress on stderr."""
    return ProgressLine()


def render_written(sentence: Sentence) -> str:
    """Return one sentence of an answer, wrapped, with its verdict where that is not plain yes.

    The one that the search holds likeliest to answer is bold.
    """
    text = render_sentence(sentence)
    if sentence.verdict != "supported":
        text += f" ({_VERDICT_WORDS[sentence.verdict]})"
    return bold(wrap(text)) if sentence.best else wrap(text)


def render_proof(answer: Answer) -> str:
    """Return what stands below the sentences: the sources with the supporting sentences."""
    lines: list[str] = []
    if answer.status == "abstained":
        lines.append(wrap(f"Why: {answer.reason}."))
        if answer.nearest:
            lines += ["", bold("Nearest papers")]
            lines += [
                wrap(f"{p.title} ({p.paper_id})", indent="    ", first="  - ")
                for p in answer.nearest
            ]
        return "\n".join(lines)
    cited = [s for s in answer.sources if s.cited]
    others = [s for s in answer.sources if not s.cited]
    lines.append(bold("Sources"))
    for source in cited:
        date = f", {source.date}" if source.date else ""
        lines.append(
            wrap(f"{source.title}{date} ({source.paper_id})", indent="    ", first=f"[{source.n}] ")
        )
        shown = dict.fromkeys(
            c.evidence.quote for s in answer.sentences for c in s.evidence if c.n == source.n
        )
        lines += [wrap(quote, indent="    > ") for quote in shown]
    if others:
        lines += ["", bold("Found, not cited")]
        others.sort(key=lambda source: not source.read)
        for source in others[:_OTHERS_SHOWN]:
            read = "read" if source.read else "not read"
            lines.append(wrap(f"{source.title} ({read})", indent="    ", first=f"[{source.n}] "))
        if len(others) > _OTHERS_SHOWN:
            lines.append(f"    and {len(others) - _OTHERS_SHOWN} more (--json lists them)")
    if any(s.origin == "quoted" for s in answer.sentences) and any(
        "written sentence" in d.why for d in answer.dropped
    ):
        lines += ["", wrap("What the model wrote did not stand; a quotation is in its place.")]
    return "\n".join(lines)


def render_search(result: SearchResult) -> str:
    """Return hits with their best sentences."""
    lines = [wrap(f"({note})") for note in result.query.notes]
    for hit in result.hits:
        lines.append(_render_hit(hit))
    return "\n".join(lines) if lines else "No paper passes the filters."


def render_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return left-aligned columns as wide as their widest cell."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([bold(lines[0]), *lines[1:]])


def _render_hit(hit: Hit) -> str:
    date = f", {hit.paper.date}" if hit.paper.date else ""
    lines = [
        wrap(
            f"{hit.paper.title}{date} ({hit.paper.paper_id})",
            indent="    ",
            first=f"{hit.rank:>2}. ",
        )
    ]
    lines += [wrap(e.quote, indent="    > ") for e in hit.evidence[:2]]
    return "\n".join(lines)
