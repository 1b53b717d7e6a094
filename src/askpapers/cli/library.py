"""`index` and `papers`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from askpapers import contract
from askpapers.cli.terminal import bold, render_table, say, wrap
from askpapers.corpus.exporting import FORMATS
from askpapers.errors import IndexDamaged, NotFound, StorageFailed, UsageError

if TYPE_CHECKING:
    from askpapers.indexing import IndexInfo

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_TITLE_COLUMNS = 70

index_app = typer.Typer(help="Build and check the index.", no_args_is_help=True)
papers_app = typer.Typer(help="Look at the papers.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(index_app, name="index")
    app.add_typer(papers_app, name="papers")


@index_app.command("build")
def build(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files, folders or globs.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Build anew even when nothing changed.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Build the index from these papers, or from the seeds."""
    report = context.obj.app().build_index(tuple(paths or ()), force=force)
    _print_report(report, as_json)


@index_app.command("add")
def add(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs.")],
    as_json: _Json = False,
) -> None:
    """Add papers to the index."""
    report = context.obj.app().add_to_index(tuple(paths))
    _print_report(report, as_json)


@index_app.command("info")
def info(context: typer.Context, as_json: _Json = False) -> None:
    """Say what the index holds and what it was built with."""
    manifest = context.obj.app().index_info()
    if as_json:
        print(contract.dump(contract.IndexManifestRecord.model_validate(manifest)))
        return
    for name, value in manifest.items():
        if name in ("database", "sum"):
            continue
        if name == "files":
            value = f"{len(value)}, {sum(size for size, _ in value.values()) / 1e6:.1f} MB"
        elif name == "versions":
            value = ", ".join(f"{package} {number}" for package, number in value.items())
        print(f"{name}: {value}")


@index_app.command("verify")
def verify(context: typer.Context, as_json: _Json = False) -> None:
    """Check the whole index against the papers."""
    findings = context.obj.app().verify_index()
    if as_json:
        print(contract.dump(contract.VerificationRecord(ok=not findings, findings=findings)))
    else:
        for finding in findings:
            say(finding)
        if not findings:
            print("The index is sound.")
    if findings:
        raise IndexDamaged(f"The index has {len(findings)} fault(s).")


@papers_app.command("list")
def list_papers(context: typer.Context, as_json: _Json = False) -> None:
    """List the papers, a line each; with --json one array."""
    papers = context.obj.app().papers()
    if as_json:
        print(contract.dump([contract.make_paper(paper) for paper in papers.values()]))
        return
    rows = [
        (p.paper_id, p.date or p.date_text or "", p.title[:_TITLE_COLUMNS]) for p in papers.values()
    ]
    print(render_table(("id", "date", "title"), rows))


@papers_app.command("show")
def show_paper(
    context: typer.Context,
    paper_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: _Json = False,
) -> None:
    """Show one paper."""
    papers = context.obj.app().papers()
    if paper_id not in papers:
        raise NotFound(f"There is no paper {paper_id!r}.", hint="askpapers papers list")
    paper = papers[paper_id]
    if as_json:
        print(contract.dump(contract.make_paper(paper)))
        return
    print(bold(wrap(paper.title)))
    facts = [
        paper.date or paper.date_text,
        f"{paper.authors_count} authors" if paper.authors_count else None,
    ]
    print(" · ".join(fact for fact in facts if fact))
    print(f"\n{wrap(paper.abstract)}\n")
    print("Listed in " + ", ".join(f"{listing.file}:{listing.line}" for listing in paper.listings))


@papers_app.command("export")
def export_papers(
    context: typer.Context,
    format: Annotated[str, typer.Option("--format", help="jsonl, csv or bibtex.")] = "jsonl",
    out: Annotated[Path | None, typer.Option("--out", help="File; stdout when absent.")] = None,
) -> None:
    """Write the papers as JSON Lines, CSV or BibTeX."""
    if format not in FORMATS:
        raise UsageError(
            f"Papers are exported as {', '.join(FORMATS)}, not {format!r}.",
            hint="askpapers papers export --format csv",
        )
    papers = context.obj.app().papers()
    texts = FORMATS[format](papers.values())
    if out is None:
        for text in texts:
            sys.stdout.write(text)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(texts)
    except OSError as exc:
        raise StorageFailed(
            f"The file {str(out)!r} cannot be written: {exc.strerror or exc}.",
            hint="askpapers papers export --out FILE",
        ) from exc
    say(f"{len(papers):,} papers written to {out}.")


def _print_report(report: IndexInfo, as_json: bool) -> None:
    if as_json:
        print(contract.dump(contract.IndexRecord.model_validate(dataclasses.asdict(report))))
        return
    for line in report.report_lines:
        print(line)
    held = f"{report.papers:,} papers, {report.passages:,} passages, {report.sentences:,} sentences"
    if not report.changed:
        print(f"Nothing has changed: the index holds {held}.")
        return
    work = f"{report.embedded:,} texts embedded, {report.reused:,} kept"
    print(f"The index holds {held} ({work}, {report.seconds:.0f} s).")
