"""Export: an account as a file for `plan` and `apply`."""

from __future__ import annotations

from iamledger.cli.groups import command
from iamledger.cli.output import instant, note
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, reading

app = command("Write an account as a file for `plan` and `apply`, as of any moment.")


@app.command(epilog="Example: iamledger export --as-of 2026-10-01")
@reading(permit("any", None, "GetAccountAuthorizationDetails"), without=("output",))
def export(at: Reading) -> None:
    """Write an account as a file for `plan` and `apply`, as of any moment.

    Users, groups, policies and attachments, but no access keys: their secrets were shown once. Of a policy it holds the
    text that is in force.
    """
    from iamledger.plans.present import PROJECTIONS, present_account
    from iamledger.plans.writing import write_account

    with at.view(*PROJECTIONS) as view:
        text = write_account(present_account(view))
        print(f"# Account {view.account_id} as of position {view.position}, recorded {instant(view.recorded_at)}")
        print(text, end="")
        note(f"as of position {view.position}, recorded {instant(view.recorded_at)}, account {view.account_id}")
