"""Apply: make accounts what a file says."""

from __future__ import annotations

from iamledger.cli.declarations import DeclarationFile, PruneOption, carry_out
from iamledger.cli.groups import command
from iamledger.cli.permits import permit
from iamledger.cli.session import Writing, writing

app = command("Make accounts what a file says, in one go per account, or not at all.")


@app.command(epilog="Example: iamledger apply acme.yaml --reason 'quarterly review' --ticket SEC-42")
@writing(permit("any", None, "GetAccountAuthorizationDetails"), without=("account",))
def apply(to: Writing, file: DeclarationFile, prune: PruneOption = False) -> None:
    """Make accounts what a file says, in one go per account, or not at all.

    An account is created if it does not exist. Applying a file again changes nothing.
    """
    carry_out(to, file, prune)
