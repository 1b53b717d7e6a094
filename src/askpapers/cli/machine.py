"""`models`, `settings` and `doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from askpapers import contract
from askpapers.cli.terminal import make_progress, render_table, say, wrap
from askpapers.models import find_path, get_file, get_manifest, load_manifests, pull
from askpapers.resources import home_folder
from askpapers.settings import describe_settings

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

models_app = typer.Typer(help="List and fetch models.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models_app, name="models")
    app.command()(settings)
    app.command()(doctor)


@models_app.command("list")
def list_models(as_json: _Json = False) -> None:
    """List the known models and whether they are here."""
    home = home_folder()
    rows = [
        contract.ModelRecord(
            name=manifest.name,
            kind=manifest.kind,
            title=manifest.title,
            licence=manifest.licence,
            here=find_path(manifest, home=home) is not None,
        )
        for manifest in load_manifests().values()
    ]
    if as_json:
        print(contract.dump(rows))
        return
    cells = [(r.name, r.kind, "yes" if r.here else "no", r.licence, r.title) for r in rows]
    print(render_table(("name", "kind", "here", "licence", "title"), cells))


@models_app.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    force: Annotated[bool, typer.Option("--force", help="Fetch it again.")] = False,
) -> None:
    """Fetch a model and verify it."""
    path = pull(get_manifest(name), home=home_folder(), force=force, progress=make_progress())
    say(f"{name} is at {path}.")


@models_app.command("info")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME")], as_json: _Json = False
) -> None:
    """Show a model's manifest and the state of its file."""
    manifest = get_manifest(name)
    path = find_path(manifest, home=home_folder())
    record = contract.ModelFileRecord(
        **manifest.model_dump(),
        path=str(path) if path else None,
        verified_sha256=get_file(manifest, home=home_folder()).digest if path else None,
    )
    if as_json:
        print(contract.dump(record))
        return
    for key, value in record.model_dump(mode="json", exclude_none=True).items():
        print(wrap(f"{key}: {value}", indent="    ", first=""))


def settings(context: typer.Context, as_json: _Json = False) -> None:
    """Show every setting, its value and where it can be set."""
    rows = describe_settings(context.obj.settings())
    if as_json:
        print(contract.dump([contract.SettingRecord.model_validate(row) for row in rows]))
        return
    cells = [
        (r["name"], _show(r["value"]), _show(r["default"]), r["environment"], r["description"])
        for r in rows
    ]
    print(render_table(("setting", "value", "default", "environment", "what it does"), cells))


def doctor(context: typer.Context, as_json: _Json = False) -> None:
    """Check this machine, the models and the index; exit code 0 only when all is well."""
    from askpapers.doctor import examine

    checks = examine(context.obj.app())
    if as_json:
        print(contract.dump([contract.CheckRecord(**check.as_json()) for check in checks]))
    else:
        for check in checks:
            mark = {"ok": "ok  ", "note": "note", "fail": "FAIL"}[check.state]
            print(wrap(f"{check.name}: {check.detail}", indent="      ", first=f"{mark}  "))
            if check.state != "ok" and check.mend:
                print(f"      mend: {check.mend}")
    failed = [check for check in checks if check.state == "fail"]
    if failed:
        raise typer.Exit(failed[0].exit_code)


def _show(value: object) -> str:
    if value is None or value == ():
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
