"""Plan: what would have to change for accounts to be what a file says."""

from __future__ import annotations

from typing import Annotated

import typer

from iamledger.cli.declarations import DeclarationFile, PruneOption, carry_out
from iamledger.cli.groups import command
from iamledger.cli.permits import permit
from iamledger.cli.session import Writing, writing
from iamledger.cli.statuses import DENIED

app = command("Show what `apply` would change, and append nothing.")


@app.command(epilog="Example: iamledger plan acme.yaml --prune")
@writing(
    permit("any", None, "GetAccountAuthorizationDetails"),
    without=("account",),
    appends=False,
)
def plan(
    to: Writing,
    file: DeclarationFile,
    prune: PruneOption = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if anything would change.")] = False,
) -> None:
    """Show what `apply` would change, and append nothing.

    A file says what accounts hold: see `iamledger export`. What it does not name is left alone; lists that it has are
    meant exactly.
    """
    if carry_out(to, file, prune) and exit_code:
        raise typer.Exit(DENIED)
