"""Resources: what an account has, by ARN; who created each, who is responsible for it, and its resource-based policy.

A resource stays with the account when its creator is renamed, moved or deleted. Its ARN may be registered again once it
was deregistered. Registration says nothing about other accounts: those have ledgers of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from iamledger.iam.events import USER, Event, Tag
from iamledger.iam.nouns import Noun
from iamledger.iam.permissions import needs
from iamledger.iam.policy_document import checked_resource_size
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import EntityAlreadyExists, InvalidInput, NoSuchEntity, ValidationError
from iamledger.iam.resource_arn import read_resource_arn
from iamledger.iam.sharing import principal_arn, share_statement, with_share, without_share
from iamledger.iam.user import User

RESOURCE = Tag("resource")

# Events. Their names and fields are the storage format: never rename them.


class ResourceRegistered(Event):
    """A resource became one of the account's. Who created it is responsible for it, until it is transferred."""

    resource_arn: Annotated[str, RESOURCE]
    creator_id: Annotated[str | None, USER] = None
    creator_name: str | None = None


class ResourceTransferred(Event):
    """Another user became responsible for a resource."""

    resource_arn: Annotated[str, RESOURCE]
    responsible_id: Annotated[str, USER]
    responsible_name: str
    old_responsible_id: Annotated[str | None, USER] = None


class ResourcePolicyPut(Event):
    """The policy of a resource was written, or replaced."""

    resource_arn: Annotated[str, RESOURCE]
    document: str


class ResourcePolicyDeleted(Event):
    """The policy of a resource was deleted, or the resource with it."""

    resource_arn: Annotated[str, RESOURCE]


class ResourceDeregistered(Event):
    """A resource is no longer the account's."""

    resource_arn: Annotated[str, RESOURCE]


# State


@dataclass(frozen=True)
class Resource(Noun):
    """Whether a resource is registered, and the id of who is responsible for it. `id` is the ARN."""

    tag: ClassVar[Tag] = RESOURCE
    evolves_on: ClassVar[tuple[type[Event], ...]] = (ResourceRegistered, ResourceTransferred, ResourceDeregistered)

    registered: bool = False
    responsible_id: str | None = None

    def evolve(self, event: ResourceRegistered | ResourceTransferred | ResourceDeregistered) -> Resource:
        match event:
            case ResourceRegistered():
                return replace(self, registered=True, responsible_id=event.creator_id)
            case ResourceTransferred():
                return replace(self, responsible_id=event.responsible_id)
            case ResourceDeregistered():
                return replace(self, registered=False, responsible_id=None)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        read_resource_arn(reference)

    def belongs_to(self) -> tuple[type[Noun], str]:
        return Resource, self.id

    def resource_arn(self, account_id: str) -> str:
        return self.id

    def check_registered(self) -> None:
        """Raise NoSuchEntity if it is not registered."""
        if not self.registered:
            raise NoSuchEntity(f"Resource {self.id} is not registered in this account.")


@dataclass(frozen=True)
class ResourcePolicy(Noun):
    """The text of a resource's policy, if it has one."""

    tag: ClassVar[Tag] = RESOURCE
    evolves_on: ClassVar[tuple[type[Event], ...]] = (ResourcePolicyPut, ResourcePolicyDeleted)

    document: str | None = None

    @property
    def label(self) -> str:
        """What stands for it in explanations."""
        return policy_label(self.id)

    def evolve(self, event: ResourcePolicyPut | ResourcePolicyDeleted) -> ResourcePolicy:
        return replace(self, document=event.document if isinstance(event, ResourcePolicyPut) else None)


def policy_label(resource_arn: str) -> str:
    """What stands for the policy of a resource in explanations."""
    return f"policy of resource {resource_arn}"


# Decisions


@needs("iamledger:RegisterResource", on="resource")
@needs("iamledger:TransferResource", on="resource", when="creator")
def register_resource(resource: Resource, own_account: str, creator: User | None = None) -> Iterator[Event]:
    """Register a resource as this account's, with the user who created it, if that is known.

    An ARN with an account's number must have this account's. What IAM and STS have is not registered: the ledger has it.
    """
    from iamledger.policy.arns import PARTITIONS

    arn = read_resource_arn(resource.id)
    if arn.partition not in PARTITIONS:
        raise ValidationError(f"{arn.partition!a} is no partition. There are: {', '.join(PARTITIONS)}.")
    if arn.account not in ("", own_account):
        raise InvalidInput(f"{resource.id} belongs to account {arn.account}, not to this one, {own_account}.")
    if arn.service in ("iam", "sts"):
        raise InvalidInput(f"{resource.id} is not to be registered: what {arn.service} has is in the ledger by itself.")
    if resource.registered:
        raise EntityAlreadyExists(f"Resource {resource.id} is registered already.")
    yield ResourceRegistered(
        resource_arn=resource.id,
        creator_id=creator.id if creator else None,
        creator_name=creator.user_name if creator else None,
    )


@needs("iamledger:TransferResource", on="resource")
def transfer_resource(resource: Resource, responsible: User) -> Iterator[Event]:
    """Make another user responsible for a resource. Its creator stays. Doing it twice changes nothing."""
    resource.check_registered()
    if responsible.id != resource.responsible_id:
        yield ResourceTransferred(
            resource_arn=resource.id,
            responsible_id=responsible.id,
            responsible_name=responsible.user_name,
            old_responsible_id=resource.responsible_id,
        )


@needs("iamledger:PutResourcePolicy", on="resource")
def put_resource_policy(resource: Resource, held: ResourcePolicy, document: str, quotas: Quotas) -> Iterator[Event]:
    """Write the policy of a resource, or replace it. The same text again changes nothing."""
    resource.check_registered()
    yield from _put(held, document, quotas)


@needs("iamledger:DeleteResourcePolicy", on="resource")
def delete_resource_policy(resource: Resource, held: ResourcePolicy) -> Iterator[Event]:
    """Delete the policy of a resource. Its text stays in the ledger."""
    resource.check_registered()
    if held.document is None:
        raise NoSuchEntity(f"Resource {resource.id} has no policy.")
    yield ResourcePolicyDeleted(resource_arn=resource.id)


@needs("iamledger:PutResourcePolicy", on="resource")
def share_resource(
    resource: Resource,
    held: ResourcePolicy,
    principal: str,
    actions: Sequence[str],
    own_account: str,
    quotas: Quotas,
) -> Iterator[Event]:
    """Let a resource's policy allow actions to an account, by its number, or to the principal of an ARN.

    Sharing again replaces the actions; with the same ones it changes nothing. A principal of another account needs an
    identity policy of that account as well.
    """
    resource.check_registered()
    arn = principal_arn(principal, read_resource_arn(resource.id).partition)
    if arn.endswith(f":iam::{own_account}:root"):
        raise InvalidInput(
            f"{resource.id} is account {own_account}'s own: its identity policies decide who may use it."
        )
    statement = share_statement(resource.id, arn, actions)
    yield from _put(held, with_share(held.document, statement), quotas)


@needs("iamledger:PutResourcePolicy", on="resource")
def unshare_resource(resource: Resource, held: ResourcePolicy, principal: str) -> Iterator[Event]:
    """Take back what `share_resource` allowed to a principal. If it is not shared with it, nothing changes.

    A policy of which nothing is left is deleted.
    """
    resource.check_registered()
    arn = principal_arn(principal, read_resource_arn(resource.id).partition)
    if held.document is None:
        return
    left = without_share(held.document, arn)
    if left is None:
        yield ResourcePolicyDeleted(resource_arn=resource.id)
    elif left != held.document:
        yield ResourcePolicyPut(resource_arn=resource.id, document=left)


@needs("iamledger:DeregisterResource", on="resource")
def deregister_resource(resource: Resource, held: ResourcePolicy) -> Iterator[Event]:
    """Say that a resource is no longer the account's. Its policy ends with it; both stay in the ledger."""
    resource.check_registered()
    if held.document is not None:
        yield ResourcePolicyDeleted(resource_arn=resource.id)
    yield ResourceDeregistered(resource_arn=resource.id)


def _put(held: ResourcePolicy, document: str, quotas: Quotas) -> Iterator[Event]:
    if checked_resource_size(document) > quotas.resource_policy_size:
        raise refuse_beyond(quotas.resource_policy_size, "ResourcePolicySize")
    if document != held.document:
        yield ResourcePolicyPut(resource_arn=held.id, document=document)
