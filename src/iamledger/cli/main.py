"""The program `iamledger`: finds its commands, and turns errors into exit statuses.

Exit status: 0; 1 a refusal, with IAM's code and message on standard error, or an answer that could not be written; 2 wrong
usage; 3 the answer is no, or something was found (denied; a policy has errors; `plan --exit-code` would change something);
4 a conflict that outlasted its retries; 5 the database cannot be reached, or cannot do it; 130 interrupted.

Every file of this package with a line `app = commands("About it.")` (or `command`) is a command. Help takes that text from
the file, and heavy libraries are imported inside the commands, so that help and completion answer at once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from iamledger.cli.groups import CommandGroup

_NOUN = re.compile(r'^app = commands?\("(.+)"\)$', re.MULTILINE)


class _Commands(CommandGroup):
    """The commands of this package, found by file name, imported when asked for."""

    @cached_property
    def _about(self) -> dict[str, str]:
        """What the commands say of themselves, by name."""
        found = {file.stem: _NOUN.search(file.read_text("utf-8")) for file in Path(__file__).parent.glob("*.py")}
        return {stem.replace("_", "-"): noun[1] for stem, noun in sorted(found.items()) if noun}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._about)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self._about.items())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self._about:
            return None
        module = import_module(f"iamledger.cli.{cmd_name.replace('-', '_')}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: iamledger account create acme --email root@acme.example",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from iamledger import __version__

        typer.echo(f"iamledger {__version__}")
        raise typer.Exit


@app.callback()
def iamledger(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """An event-sourced identity ledger: what AWS IAM manages, with every past moment queryable."""


@app.command("version", hidden=True)
def _never() -> None:
    """Typer makes a group only of an app that has a command."""


def run() -> None:
    """The entry point."""
    _prepare_streams()
    try:
        try:
            _refuse_undecodable(sys.argv[1:])
            app(prog_name="iamledger")
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _give_up_output()
        sys.exit(1)
    except Exception as error:
        from iamledger.cli.failures import failure
        from iamledger.cli.output import note

        told = failure(error)
        if told is None:
            raise
        if isinstance(error, OSError) and error.filename is None:
            _give_up_output()
        message, status = told
        note(message)
        sys.exit(status)


def _prepare_streams() -> None:
    """Streams that can be written to. An answer that nobody can see, such as a secret, is refused before it is made."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the program runs
    if sys.stdout is None:
        typer.echo("Standard output is closed. To do without the answer: >/dev/null", err=True)
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal's encoding lacks is spelled out


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            from iamledger.iam.refusals import ValidationError

            raise ValidationError(f"The argument {argument!a} holds bytes that are not text.") from None


def _give_up_output() -> None:
    """Forget what could not be written, lest Python try it again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
