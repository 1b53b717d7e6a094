"""`eval`: suites, runs, reports, comparisons and the judge's own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askpapers import contract
from askpapers.cli.terminal import make_progress, render_table, say
from askpapers.errors import UsageError

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Format = Annotated[str, typer.Option("--format", help="table, html, markdown, junit or json.")]
_Out = Annotated[Path | None, typer.Option("--out", help="File to write; stdout when absent.")]

eval_app = typer.Typer(help="Measure answers and retrieval, offline.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(eval_app, name="eval")


@eval_app.command("list")
def list_all(as_json: _Json = False) -> None:
    """List the suites."""
    from askpapers.evals import list_suites

    suites = list_suites()
    if as_json:
        records = [
            contract.SuiteRecord(
                name=s.name, version=s.version, purpose=s.purpose, kind=s.kind, cases=s.cases
            )
            for s in suites
        ]
        print(contract.dump(records))
        return
    rows = [(s.name, s.kind, str(s.cases), s.purpose) for s in suites]
    print(render_table(("suite", "kind", "cases", "purpose"), rows))


@eval_app.command("run")
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE")],
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N cases.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only cases with this tag.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Writing model.")] = None,
    judge: Annotated[str, typer.Option("--judge", help="support, lexical or llm.")] = "support",
    k: Annotated[int | None, typer.Option("--k", min=1, max=100, help="Papers found.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    quote_only: Annotated[bool, typer.Option("--quote-only", help="No writing model.")] = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", metavar="SECTION.FIELD=A,B,C", help="One run per value."),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            "--fail-under", metavar="METRIC=BOUND,...", help="Gate on bounds; suite: its own."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not resume or reuse answers.")] = False,
    format: _Format = "table",
    out: _Out = None,
) -> None:
    """Run a suite and print its metrics with intervals."""
    from askpapers.evals import check_gate, load_suite, parse_gate, parse_sweep
    from askpapers.evaluation import run_suite
    from askpapers.reports import write_report

    gate = parse_gate(fail_under, load_suite(suite).thresholds) if fail_under else None
    base: dict[str, dict[str, object]] = {"generation": {"seed": seed}}
    if model:
        base["generation"]["model"] = model
    if k:
        base["retrieval"] = {"k": k}
    if quote_only:
        base["answer"] = {"quote_only": True}
    for overrides in parse_sweep(sweep or []):
        extra = {section: dict(values) for section, values in base.items()}
        for name, value in overrides.items():
            section, _, field = name.partition(".")
            extra.setdefault(section, {})[field] = value
        program = context.obj.app(extra)
        finished = run_suite(
            program,
            suite,
            judge_name=judge,
            limit=limit,
            tag=tag,
            seed=seed,
            fresh=fresh,
            progress=make_progress(),
        )
        text = write_report(finished, format=format, out=out)
        if out is None:
            print(text)
        else:
            say(f"Written to {out}.")
        if gate is not None:
            check_gate(finished, gate)


@eval_app.command("compare")
def compare_runs(
    context: typer.Context,
    run_a: Annotated[str, typer.Argument(metavar="RUN_A")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B")],
    force: Annotated[
        bool, typer.Option("--force", help="Compare different versions or judges.")
    ] = False,
    format: _Format = "table",
    out: _Out = None,
) -> None:
    """Compare two runs, pair by pair, flipped cases first."""
    from askpapers.evals import compare, load_run
    from askpapers.reports import write_diff

    folder = context.obj.app().runs_folder
    comparison = compare(load_run(run_a, folder), load_run(run_b, folder), force=force)
    text = write_diff(comparison, format=format, out=out)
    if out is None:
        print(text)


@eval_app.command("report")
def report(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name, path, or latest.")],
    format: _Format = "table",
    out: _Out = None,
) -> None:
    """Write the report of a run."""
    from askpapers.evals import load_run
    from askpapers.reports import write_report

    text = write_report(load_run(run, context.obj.app().runs_folder), format=format, out=out)
    if out is None:
        print(text)


@eval_app.command("judge")
def measure_judge(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with human-labelled sets; see evals/README.md."),
    ] = None,
    judge: Annotated[str, typer.Option("--judge", help="support or lexical.")] = "support",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Pairs per set at most.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    format: _Format = "table",
    out: _Out = None,
) -> None:
    """Measure a judge against human labels and the corruption set."""
    from askpapers.evaluation import measure_judge
    from askpapers.reports import write_judge_report

    if data is not None and not data.is_dir():
        raise UsageError(f"There is no folder {str(data)!r}.", hint="askpapers eval judge --help")
    measured = measure_judge(context.obj.app(), judge, data, limit=limit, seed=seed)
    text = write_judge_report(measured, format=format, out=out)
    if out is None:
        print(text)
