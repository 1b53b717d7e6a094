"""The command line. `main` is the one place that prints an error and chooses the exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from askpapers import __version__
from askpapers.cli import answers, evaluation, library, machine
from askpapers.cli.state import State
from askpapers.cli.terminal import say
from askpapers.errors import AskPapersError, StorageFailed

app = typer.Typer(
    name="askpapers",
    help="Answers questions about paper abstracts, offline, with proof for every sentence.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would swallow [brackets] in help texts
    pretty_exceptions_enable=False,
    add_completion=False,
)
answers.register(app)
library.register(app)
machine.register(app)
evaluation.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"askpapers {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Change a setting for this run."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    del version
    context.obj = State(overrides=tuple(setting or ()), debug=debug)


def main() -> None:
    """Run the command line and exit with the contract's code."""
    for stream in (sys.stdout, sys.stderr):
        # A title with a character that the terminal cannot show must not end the program.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    debug = "--debug" in sys.argv
    try:
        app()
    except AskPapersError as exc:
        if debug:
            raise
        _print_error(exc)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        say("\nInterrupted.")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of stdout went away (`| head`); nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (OSError, MemoryError) as exc:
        if debug:
            raise
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        name = getattr(exc, "filename", None)
        where = f" ({name})" if name else ""
        _print_error(StorageFailed(f"The machine refused: {reason}{where}."))
        sys.exit(StorageFailed.exit_code)


def _print_error(error: AskPapersError) -> None:
    say(f"askpapers: {error.message}")
    if error.hint:
        say(f"To mend it: {error.hint}")
