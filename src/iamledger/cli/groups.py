"""Groups of commands: the program itself, and those of one noun. Imported by every call, so this needs next to nothing."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Commands. Options of the group stand before a command; if there are none, Typer need not import pydantic for them."""

    _with_options = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self._with_options = not args or args[0].startswith("-")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> Any:
        return super().get_params(ctx) if self._with_options else []

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands with what they are about, whole: left to itself, the list cuts sentences to a line each."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        about = [(name, one.get_short_help_str(_WHOLE)) for name, one in commands if one and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(about)


_WHOLE = 1000
"""Characters of a summary: more than any has."""


def commands(about: str) -> typer.Typer:
    """The commands of one noun."""
    return typer.Typer(
        cls=CommandGroup,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=about,
    )


def command(about: str) -> typer.Typer:
    """A single command of the program itself."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=about)
