"""What commands of `access` are asked about: users and policy documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iamledger.access.grants import Grants
    from iamledger.cli.session import Reading
    from iamledger.policy import PolicyDocument


def named_users(principal: str, *moments: Grants) -> frozenset[str]:
    """The ids of the user with a name, an ARN or an id, at one of some moments. Raises NoSuchEntity, ValidationError."""
    from iamledger.iam import constraints
    from iamledger.iam.refusals import NoSuchEntity

    name = principal.rpartition("/")[2] if principal.startswith("arn:") else principal
    constraints.EXISTING_USER_NAME.check(name)
    found = frozenset(
        user.id
        for grants in moments
        for user in grants.users.values()
        if (user.arn == principal if principal.startswith("arn:") else name.lower() == user.name.lower())
        or user.id == principal
    )
    if not found:
        raise NoSuchEntity(f"The user with name {principal} cannot be found.")
    return found


def parsed_document(text: str, named: str) -> PolicyDocument:
    """A document, understood. Raises MalformedPolicyDocument, which tells what it is called."""
    from iamledger.iam.refusals import MalformedPolicyDocument
    from iamledger.policy import PolicyError, parse

    try:
        return parse(text)
    except PolicyError as error:
        raise MalformedPolicyDocument(f"{named}: {error}") from None


def in_force(at: Reading, policy: str) -> tuple[PolicyDocument, str, Mapping[str, Any]]:
    """A managed policy's document, what it is called, and which moment it is of."""
    from iamledger.iam import constraints
    from iamledger_projections.managed_policies import get_policy
    from iamledger_projections.policy_versions import get_version

    constraints.POLICY_ARN.check(policy) if policy.startswith("arn:") else constraints.POLICY_NAME.check(policy)
    with at.view("managed_policies", "policy_versions") as view:
        found = get_policy(view, policy)
        version = get_version(view, found["PolicyId"], found["DefaultVersionId"])
        named = f"{found['Arn']} {version['VersionId']}"
        return parsed_document(version["Document"], named), named, at.origin(view)
