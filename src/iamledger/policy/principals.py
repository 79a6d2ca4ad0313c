"""Principals: `*`, or an object of types and ids.

- AWS: an account's id, the ARN of an account's root, of a user, of a role, or of a session, the unique id of a user or role,
  or `*`. ARNs are exact: IAM takes no wildcard in them. Groups are no principals.
- Service: a service's name, such as `ec2.amazonaws.com`. No wildcard (the guide is silent about `*` alone).
- Federated: the name of an identity provider such as `accounts.google.com`, or the ARN of an OIDC or SAML provider.
- CanonicalUser: 64 hexadecimal digits.

Whether a principal exists is not known here. Source: "AWS JSON policy elements: Principal" of the IAM User Guide.
"""

from __future__ import annotations

import re
from functools import partial

from iamledger.policy.arns import PARTITIONS
from iamledger.policy.document import Principal, PrincipalType
from iamledger.policy.elements import each, members
from iamledger.policy.json_places import Object, String, Value
from iamledger.policy.problems import Malformed, Problems
from iamledger.policy.words import listed, quote

EVERYBODY = Principal("AWS", "*")

_ACCOUNT = "[0-9]{12}"
_PARTITION = "|".join(PARTITIONS)
_PATH_AND_NAME = r"(?:[!-)+-.0->@-~]++/)*+[\w+=,.@-]+"  # no * and no ?; possessive, for a long path must not take long
_ARN = re.compile(
    rf"arn:(?:{_PARTITION}):(?:"
    rf"iam::(?:{_ACCOUNT}:(?:root|(?:user|role)/{_PATH_AND_NAME})|cloudfront:user/[\w -]+)"
    rf"|sts::{_ACCOUNT}:(?:assumed-role/[\w+=,.@-]+|federated-user)/[\w+=,.@:-]+"
    r")",
    re.ASCII,
)
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,124}")
_HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_PROVIDER = re.compile(
    rf"{_HOST}|arn:(?:{_PARTITION}):iam::{_ACCOUNT}:(?:oidc-provider/[\w./%~+-]+|saml-provider/[\w.-]+)", re.ASCII
)

_FORMS: dict[PrincipalType, tuple[re.Pattern[str], str]] = {
    "AWS": (
        re.compile(rf"\*|{_ACCOUNT}|{_UNIQUE_ID.pattern}|{_ARN.pattern}", re.ASCII),
        "write the ARN of a root, user, role or session, an account's id, or *",
    ),
    "Service": (re.compile(_HOST), "write a service's name, such as ec2.amazonaws.com"),
    "Federated": (_PROVIDER, "write an identity provider's name, or the ARN of an OIDC or SAML provider"),
    "CanonicalUser": (re.compile("[0-9a-fA-F]{64}"), "write 64 hexadecimal digits"),
}


def read_principals(node: Value, problems: Problems, *, only_everybody: bool) -> tuple[Principal, ...]:
    """The principals of Principal or NotPrincipal. Notes what names none; `only_everybody` allows but `*`."""
    if isinstance(node, String) and node.text == EVERYBODY.id:
        return (EVERYBODY,)
    if only_everybody:
        problems.add(
            node.offset, node.path, f"expected * and found {node.shown}", "only the principal * is possible here"
        )
        return ()
    if isinstance(node, String):
        advice = f'write * or an object such as {{"AWS": {quote(node.text)}}}'
        problems.add(node.offset, node.path, f"{node.shown} is no principal", advice)
        return ()
    named = members(node, tuple(_FORMS), "a principal", problems)
    if isinstance(node, Object) and not node.members:
        problems.add(node.offset, node.path, "an empty object names no principal", f"it has {listed(_FORMS, 'or')}")
    return tuple(
        principal
        for type_ in _FORMS
        if type_ in named
        for principal in each(named[type_], partial(read_principal, type_), problems)
    )


def read_principal(type_: PrincipalType, text: str) -> Principal:
    """A principal of a type. Raises Malformed if the text names none."""
    form, advice = _FORMS[type_]
    if form.fullmatch(text):
        return Principal(type_, text)
    if re.match("arn:[^:]*:iam::[^:]*:group/", text):
        advice = "a group cannot be a principal: name its users"
    elif text.startswith("arn:") and ("*" in text or "?" in text):
        advice = "an ARN takes no wildcards here: write * alone, with a condition on aws:PrincipalArn"
    raise Malformed(f"{quote(text)} names no principal of the type {type_}", advice)
