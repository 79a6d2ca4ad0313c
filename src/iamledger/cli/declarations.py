"""What `plan` and `apply` share: the file, and how what it leads to is told."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.differences import tell_texts
from iamledger.cli.output import Output, print_csv, print_json, print_table, progress_bar, say
from iamledger.cli.permits import elsewhere
from iamledger.cli.session import Writing, told_events

if TYPE_CHECKING:
    from iamledger.ledger import Outcome
    from iamledger.plans.applying import Plan
    from iamledger.plans.planning import Step

DeclarationFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="YAML; - for standard input.", allow_dash=True, dir_okay=False)
]
PruneOption = Annotated[
    bool, typer.Option("--prune", help="Also delete users, groups and policies that the file does not name.")
]


def carry_out(to: Writing, file: Path, prune: bool) -> bool:
    """Plan for each account, append unless it is a dry run, and tell. Returns whether there was anything to do."""
    from iamledger.iam.refusals import InvalidInput
    from iamledger.plans.applying import apply_account, numbered
    from iamledger.plans.reading import read_accounts

    if str(file) == "-" and sys.stdin is None:
        raise InvalidInput("Standard input is closed.")
    try:
        text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: byte {error.start + 1} is no UTF-8. Save the file as UTF-8.") from None
    wanted = read_accounts(text, str(file))
    if not to.as_operator and any(one.key not in (to.account_id, to.account_name) for one in wanted):
        raise to.attempted(elsewhere())
    done: list[tuple[Plan, Outcome]] = []
    try:
        for account_id, desired in numbered(to.database.connection, wanted, to.request_id).items():
            with progress_bar(f"Account {account_id}") as progress:
                one = apply_account(to.ledger(account_id), desired, prune=prune, dry_run=to.dry_run, progress=progress)
            done.append(one)
            if to.output is Output.TABLE:
                _tell(to, *one)
    except Exception:
        if done:  # what was done to the accounts before is told, too
            _tell_programs(to, done)
        raise
    _tell_programs(to, done)
    return any(plan.steps for plan, _ in done)


def _tell_programs(to: Writing, done: Sequence[tuple[Plan, Outcome]]) -> None:
    if to.output is Output.JSON:
        print_json({"Accounts": [_for_programs(*one) for one in done]})
    elif to.output is Output.CSV:
        rows = [{"Account": plan.account_id, **_whole(step)} for plan, _ in done for step in plan.steps]
        print_csv(rows, ["Account", "Operation", "About", "Change", "Before", "After"])


def _tell(to: Writing, plan: Plan, outcome: Outcome) -> None:
    say(f"Account {plan.account_id}", "heading")
    if not plan.steps:
        print("Nothing to change.")
        say(f"as of position {plan.position}", "faint")
        return
    print_table([_row(step) for step in plan.steps], ["Operation", "About", "Change"])
    for step in plan.steps:
        if step.before is not None or step.after is not None:
            tell_texts(f"\n{step.operation} {step.about}", step.before, step.after)
    if any(step.before or step.after for step in plan.steps):
        print()
    types = Counter(type(event).__name__ for event in outcome.events)
    told = ", ".join(f"{type_} {count}" for type_, count in sorted(types.items()))
    did = "Appended before" if outcome.repeated else "Would append" if to.dry_run else "Appended"
    count = len(outcome.events)
    print(f"{did} {count} event{'s' * (count != 1)}: {told}.")
    if outcome.last is not None:
        say(f"positions {outcome.first} to {outcome.last}", "position")


def _row(step: Step) -> dict[str, str | None]:
    return {"Operation": step.operation, "About": step.about, "Change": step.change or None}


def _whole(step: Step) -> dict[str, str | None]:
    return {**_row(step), "Before": step.before, "After": step.after}


def _for_programs(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {
        "Account": plan.account_id,
        "PlannedAt": plan.position,
        "Position": outcome.last,
        "Repeated": outcome.repeated,
        "Steps": [_whole(step) for step in plan.steps],
        "Events": told_events(outcome),
    }
