"""Questions: who, which action, which resource, and in which context; checked, and made into requests.

A request knows what the ledger knows, unless the question says otherwise:

- the keys of its caller (`iamledger.principals`);
- `aws:CurrentTime` and `aws:EpochTime`: the moment of the view, so that the past is decided with the time it had then;
- `aws:ResourceAccount`: the account that the resource is said to be in, else the one that its ARN names, else the caller's;
- for actions of IAM and iamledger, what their commands know: `aws:RequestedRegion`, and of a user the tags and the boundary.

All other keys are absent, as they are in a request of IAM that does not have them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from iamledger.access.grants import How
from iamledger.iam import constraints
from iamledger.iam.refusals import NoSuchEntity, ValidationError
from iamledger.policy import Caller, Policy, Request
from iamledger.principals import known_of_requests
from iamledger_projections.groups import get_group
from iamledger_projections.users import get_user

if TYPE_CHECKING:
    from iamledger.engine.view import View

Context = Mapping[str, str | Sequence[str]]
ROOT = "root"


@dataclass(frozen=True, slots=True)
class Question:
    """May somebody do an action to a resource?

    `resource_policy` is the policy of the resource, if it has one, and `put` tells who put it; `resource_account` has the
    resource, and if that is another one, `known_at` is the position of its ledger that was looked at, and its time.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    resource_account: str | None = None
    resource_policy: Policy | None = None
    put: How | None = None
    known_at: tuple[int, datetime] | None = None

    def request(self, caller: Caller, account_id: str, time: datetime) -> Request:
        """The request by which a caller of an account would ask, at a time."""
        account = self.resource_account or account_in(self.resource) or account_id
        return Request(
            caller, self.action, self.resource, account, {**known_of_requests(time, account), **self.context}
        )


def account_in(resource: str) -> str | None:
    """The account that an ARN names, if it names one."""
    parts = resource.split(":", 5)
    return parts[4] if len(parts) == 6 and re.fullmatch("[0-9]{12}", parts[4], re.ASCII) else None


def checked(question: Question) -> Question:
    """The question, if action and resource are of the kind that a single request has. Raises ValidationError."""
    check_action(question.action)
    check_resource(question.resource)
    if question.resource_account is not None:
        constraints.ACCOUNT_ID.check(question.resource_account)
    return question


def check_action(action: str) -> None:
    """Raise ValidationError if it is not one action."""
    if not re.fullmatch("[A-Za-z0-9-]+:[A-Za-z0-9-]+", action, re.ASCII):
        wild = " A request has one action, without wildcards." if "*" in action or "?" in action else ""
        raise ValidationError(f"{action!a} is not an action. Write service:Action, such as s3:GetObject.{wild}")


def check_resource(resource: str) -> None:
    """Raise ValidationError if it is neither the ARN of one resource nor `*`."""
    if resource == "*":
        return
    parts = resource.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not all(parts[n] for n in (1, 2, 5)):
        raise ValidationError(
            f"{resource!a} is not a resource. Write an ARN, such as arn:aws:s3:::reports/2026/q3.csv, or * for actions"
            " that are about no resource."
        )
    if "*" in resource or "?" in resource:
        raise ValidationError(
            f"{resource!a} has a wildcard, and a request is for one resource. Name one; what-can shows the patterns that"
            " somebody may use."
        )


@dataclass(frozen=True, slots=True)
class Named:
    """A user (`user_id`), a group (`group_id`), or, without either, the root of the account."""

    name: str
    arn: str
    user_id: str | None = None
    group_id: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether it is the root."""
        return self.user_id is None and self.group_id is None


def named_principal(view: View, text: str, *, groups: bool = False) -> Named:
    """Whom a text names, as of the view.

    That is `root`, the name or unique id of a user, or the ARN of a user or of the account's root; with `groups`, also
    `group/NAME` and the ARN of a group. Raises NoSuchEntity, ValidationError.
    """
    root = f"arn:aws:iam::{view.account_id}:root"
    if text in (ROOT, root):
        return Named(ROOT, root)
    if text.startswith("arn:"):
        return _by_arn(view, text, groups)
    if groups and text.startswith("group/"):
        return _group(view, text.removeprefix("group/"))
    return _user(view, text)


def _user(view: View, name: str) -> Named:
    row = get_user(view, constraints.EXISTING_USER_NAME.check(name))
    return Named(row["UserName"], row["Arn"], user_id=row["UserId"])


def _group(view: View, name: str) -> Named:
    row = get_group(view, constraints.GROUP_NAME.check(name))
    return Named(row["GroupName"], row["Arn"], group_id=row["GroupId"])


def _by_arn(view: View, arn: str, groups: bool) -> Named:
    kinds = "user|group" if groups else "user"
    found = re.fullmatch(rf"arn:aws:iam::([0-9]{{12}}):(?:(root)|({kinds})/(?:.*/)?([^/]+))", arn, re.ASCII | re.DOTALL)
    if found is None:
        raise ValidationError(f"{arn!a} is not the ARN of a user{', a group' if groups else ''} or an account's root.")
    account, _, kind, name = found.groups()
    if account != view.account_id:
        raise NoSuchEntity(f"{arn} is not of account {view.account_id}. Give --account {account}.")
    named = _user(view, name) if kind == "user" else _group(view, name)
    if named.arn != arn:
        raise NoSuchEntity(f"{arn} cannot be found. Give the name, or look the ARN up: iamledger {kind} show {name}")
    return named
