"""Sharing: a statement of a resource's policy that allows actions to one principal, and can be told from all others.

What `share` writes has a Sid made from the principal, and these elements only: Sid, Effect, Principal, Action, Resource. It
is for the resource and for what is in it. The rest of a policy keeps its meaning and its order; its layout becomes that of
JSON with an indent of two. Numbers in conditions become strings, which mean the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from iamledger.iam.refusals import InvalidInput, ValidationError

_VERSION = "2012-10-17"


class Share(NamedTuple):
    """A principal to whom a statement of a resource's policy allows something."""

    principal: str
    """An account's number, an ARN, a unique id, `*`; other types than AWS stand before it: `Service s3.amazonaws.com`."""
    actions: tuple[str, ...]
    sid: str | None
    conditional: bool


def principal_arn(text: str, partition: str) -> str:
    """The ARN of a principal; for the number of an account, of its root, which means the same. Raises ValidationError."""
    from iamledger.policy.principals import read_principal
    from iamledger.policy.problems import Malformed

    arn = f"arn:{partition}:iam::{text}:root" if re.fullmatch("[0-9]{12}", text) else text
    try:
        read_principal("AWS", arn)
    except Malformed as malformed:
        raise _refusal(malformed.message, malformed.advice) from None
    if not arn.startswith("arn:"):
        raise ValidationError(
            f"{text!a} is neither an account nor the ARN of a principal. For others put a policy that names them."
        )
    return arn


def share_statement(resource_arn: str, principal: str, actions: Sequence[str]) -> dict[str, Any]:
    """The statement that shares a resource with the principal of an ARN. Raises ValidationError."""
    from iamledger.policy.actions import read_action
    from iamledger.policy.problems import Malformed

    wanted = list(dict.fromkeys(actions))
    if not wanted:
        raise ValidationError("A resource is shared for some actions. Name at least one.")
    for action in wanted:
        try:
            read_action(action)
        except Malformed as malformed:
            raise _refusal(malformed.message, malformed.advice) from None
    return {
        "Sid": share_sid(principal),
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": wanted,
        "Resource": [resource_arn, f"{resource_arn}/*"],
    }


def share_sid(principal: str) -> str:
    """The Sid of the statement that shares with a principal: letters and digits, as every service takes them."""
    root = re.fullmatch(r"arn:[^:]+:iam::([0-9]{12}):root", principal)
    return f"SharedWith{root[1] if root else sha256(principal.encode()).hexdigest()[:16]}"


def with_share(document: str | None, statement: dict[str, Any]) -> str:
    """A policy's text with the statement, in the place of that of the same principal. Raises InvalidInput.

    If it has the statement already, the text is the same.
    """
    policy: dict[str, Any] = _read(document) if document else {"Version": _VERSION, "Statement": []}
    statements = _statements(policy)
    place = _place(statements, statement["Sid"], statement["Principal"]["AWS"])
    if place is not None and statements[place] == statement and document:
        return document
    kept = [*statements, statement] if place is None else [*statements[:place], statement, *statements[place + 1 :]]
    return _written({**policy, "Statement": kept})


def without_share(document: str, principal: str) -> str | None:
    """A policy's text without the statement that shares with the principal of an ARN; None if nothing is left of it.

    If it has no such statement, the text is the same. Raises InvalidInput.
    """
    policy = _read(document)
    statements = _statements(policy)
    place = _place(statements, share_sid(principal), principal)
    if place is None:
        return document
    kept = [*statements[:place], *statements[place + 1 :]]
    return _written({**policy, "Statement": kept}) if kept else None


def shares(document: str, account_id: str) -> list[Share]:
    """To whom a resource's policy allows something, in the order of its statements, whoever wrote them.

    The account's own number and root are left out: what is allowed to them is decided by the account's identity policies.
    The text must be a policy of a resource; it is not checked again, since lists look at thousands.
    """
    own = re.compile(rf"{account_id}|arn:[^:]+:iam::{account_id}:root")
    return [
        Share(name, _allowed(statement), statement.get("Sid") or None, "Condition" in statement)
        for statement in _statements(_read(document))
        if statement["Effect"] == "Allow"
        for name in _names(statement)
        if not own.fullmatch(name)
    ]


def _allowed(statement: dict[str, Any]) -> tuple[str, ...]:
    if "NotAction" in statement:
        return tuple(f"not {action}" for action in _listed(statement["NotAction"]))
    return tuple(_listed(statement["Action"]))


def _names(statement: dict[str, Any]) -> list[str]:
    if "NotPrincipal" in statement:
        return [f"not {', '.join(_principals(statement['NotPrincipal']))}"]
    return _principals(statement["Principal"])


def _principals(named: str | dict[str, Any]) -> list[str]:
    if isinstance(named, str):
        return [named]
    return [id_ if type_ == "AWS" else f"{type_} {id_}" for type_, ids in named.items() for id_ in _listed(ids)]


def _refusal(message: str, advice: str | None) -> ValidationError:
    return ValidationError(f"{message}; {advice}." if advice else f"{message}.")


def _place(statements: Sequence[Any], sid: str, principal: str) -> int | None:
    """Where the statement that shares stands. Raises InvalidInput if another statement has its Sid."""
    place = next((place for place, statement in enumerate(statements) if statement.get("Sid") == sid), None)
    if place is None:
        return None
    found = statements[place]
    ours = {"Sid", "Effect", "Principal", "Action", "Resource"} == set(found)
    if not ours or found["Effect"] != "Allow" or found["Principal"] != {"AWS": principal}:
        raise InvalidInput(
            f"The Sid {sid}, by which a share is known, is that of a statement that was written by hand. Give that statement"
            " another Sid."
        )
    return place


def _read(document: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(document, parse_int=str, parse_float=str)
    return policy


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return _listed(policy["Statement"])


def _listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _written(policy: dict[str, Any]) -> str:
    return json.dumps(policy, indent=2)
