"""Plans for the accounts of a file, and their application: in one go per account, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import sleep

from iamledger.accounts import account_called, account_ids, new_account_id, opening_commands
from iamledger.engine.view import open_view
from iamledger.iam import constraints
from iamledger.iam.aws_managed import AWS_MANAGED
from iamledger.iam.refusals import AccessDenied, InvalidInput, Refusal
from iamledger.ledger import Ledger, Outcome
from iamledger.plans.declared import Account
from iamledger.plans.planning import Step, plan
from iamledger.plans.present import PROJECTIONS, managed_by_aws, present_account
from iamledger.read_models import all_projections
from iamledger.store import Connection, NoLedger, head

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do in an account, made when its ledger was at a position; 0 if the account does not exist yet."""

    account_id: str
    position: int
    steps: Sequence[Step]


def numbered(connection: Connection, accounts: Iterable[Account], request_id: str | None) -> dict[str, Account]:
    """Accounts by number: as the file says, or of the account with that name, or a new one.

    A new number follows from the name (and the request, if there is one), so that applying is safe to repeat, also for two
    at once. Raises InvalidInput for what is twice the same account, since the second could undo what the first did.
    """
    found: dict[str, Account] = {}
    for desired in accounts:
        number = _number(connection, desired, request_id)
        if number in found:
            lines = f"lines {found[number].line} and {desired.line}"
            raise InvalidInput(f"{lines}: both are account {number}. Write it once.")
        found[number] = desired
    return found


def _number(connection: Connection, desired: Account, request_id: str | None) -> str:
    if desired.key.isascii() and desired.key.isdigit():
        return constraints.ACCOUNT_ID.check(desired.key)
    constraints.ACCOUNT_NAME.check(desired.key)
    new = f"{request_id or 'apply'} {desired.key}"  # the same for whoever applies it at the same time
    return account_called(connection, desired.key) or new_account_id(new)


def plan_account(connection: Connection, account_id: str, desired: Account, *, prune: bool = False) -> Plan:
    """Compare what the file says of an account with what is there. Raises InvalidInput, with the line."""
    if account_id not in account_ids(connection):
        return Plan(account_id, 0, [*_opening(account_id, desired), *_steps(account_id, desired, prune)])
    with open_view(connection, account_id, [all_projections()[name] for name in PROJECTIONS]) as view:
        present, of_aws = present_account(view), managed_by_aws(view)
    wishes = (("name", _name(account_id, desired), present.name), ("e-mail address", desired.email, present.email))
    for what, wanted, has in wishes:
        if None not in (wanted, has) and wanted != has:  # what was erased cannot be compared
            raise InvalidInput(
                f"line {desired.line}: the {what} of account {account_id} is {has} and cannot be changed."
            )
    return Plan(account_id, view.position, plan(desired, present, of_aws, prune=prune))


def apply_account(
    ledger: Ledger,
    desired: Account,
    *,
    prune: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[Plan, Outcome]:
    """Plan, and append all of it at once; plan again if it was refused because the ledger has moved on.

    Raises what `Ledger.execute_all` does; a refusal says which step it is of.
    """
    ledger.permit(())  # nothing is read of an account that is not the caller's
    attempts = 0
    while True:
        attempts += 1
        made = plan_account(ledger.database.connection, ledger.account_id, desired, prune=prune)
        if not made.steps:
            return made, Outcome([])
        commands = [step.command for step in made.steps]
        tell = partial(_tell, progress, len(commands))
        try:
            return made, ledger.execute_all(commands, dry_run=dry_run, progress=tell)
        except Refusal as refusal:
            denied = isinstance(refusal, AccessDenied)  # which moved the ledger on, being recorded
            if not denied and attempts < ATTEMPTS and _position(ledger) != made.position:
                sleep(0.05 * attempts)
                continue
            if refusal.command is None:
                raise
            raise refusal.of(made.steps[refusal.command].about) from refusal


def _position(ledger: Ledger) -> int:
    try:
        return head(ledger.database.connection, ledger.account_id).position
    except NoLedger:
        return 0


def _tell(progress: Callable[[int, int], None], total: int, done: int) -> None:
    progress(done, total)


def _opening(account_id: str, desired: Account) -> list[Step]:
    name = _name(account_id, desired)
    if name is None or desired.email is None:
        raise InvalidInput(
            f"line {desired.line}: account {desired.key} is to be created, so it needs a name and an email."
        )
    if desired.key not in (account_id, name):
        raise InvalidInput(
            f"line {desired.line}: account {desired.key} is to be created, so {name} cannot be its name."
        )
    first, *managed = opening_commands(account_id, name, desired.email)
    return [Step(f"account {name}", first), *(Step(str(c.arguments["name"]), c) for c in managed)]


def _name(account_id: str, desired: Account) -> str | None:
    if desired.name is not None:
        return desired.name
    return desired.key if desired.key != account_id else None


def _steps(account_id: str, desired: Account, prune: bool) -> list[Step]:
    names = {policy.arn.rpartition("/")[2].lower(): policy.arn for policy in AWS_MANAGED}
    return plan(desired, Account(account_id), names, prune=prune)
