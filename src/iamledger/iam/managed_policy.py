"""Managed policies: of the customer, or of AWS. They have up to five versions, of which one is in force, the default.

A policy is called by its ARN. AWS's own come into a ledger as events too, so that the past keeps the text it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from iamledger.iam import constraints, identifiers
from iamledger.iam.events import Event, Tag
from iamledger.iam.nouns import CountOf, Dependent, DependentsOf, Name, Named, NewId, Noun, delete_dependents
from iamledger.iam.permissions import needs
from iamledger.iam.policy_document import checked_size
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import DeleteConflict, EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity

POLICY = Tag("policy")
AWS = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True, slots=True)
class _PolicyName(Tag):
    """An ARN's owner and the policy's name: beneath an owner, names are unique without regard to path and case."""

    def of(self, value: str) -> str:
        owner, _, rest = value.removeprefix("arn:aws:iam::").partition(":")
        return f"{self.prefix}:{owner}:{rest.rpartition('/')[2].lower()}"


POLICY_NAME = _PolicyName("policy-name")

# Events. Their names and fields are the storage format: never rename them.


class PolicyCreated(Event):
    """A customer managed policy was created, with its first version."""

    policy_id: Annotated[str, POLICY]
    arn: Annotated[str, POLICY_NAME]
    policy_name: str
    path: str
    description: str | None = None
    version_id: str
    document: str


class ManagedPolicyImported(Event):
    """A policy that AWS manages came into this ledger, with its first version here."""

    policy_id: Annotated[str, POLICY]
    arn: Annotated[str, POLICY_NAME]
    policy_name: str
    path: str
    description: str | None = None
    version_id: str
    document: str


class PolicyVersionCreated(Event):
    """A managed policy got another version. It is in force once it is the default."""

    policy_id: Annotated[str, POLICY]
    version_id: str
    document: str


class DefaultPolicyVersionSet(Event):
    """Another version of a managed policy came into force."""

    policy_id: Annotated[str, POLICY]
    version_id: str


class PolicyVersionDeleted(Event):
    """A version of a managed policy that was not in force was deleted."""

    policy_id: Annotated[str, POLICY]
    version_id: str


class PolicyDeleted(Event):
    """A managed policy was deleted, with its last version, which was the default."""

    policy_id: Annotated[str, POLICY]
    arn: Annotated[str, POLICY_NAME]
    version_id: str


# State


@dataclass(frozen=True)
class PolicyArn(Name):
    """Which managed policy has an ARN now. `arn` is that of the policy whose name it is, whatever its path and case."""

    tag: ClassVar[Tag] = POLICY_NAME
    evolves_on: ClassVar[tuple[type[Event], ...]] = (PolicyCreated, ManagedPolicyImported, PolicyDeleted)

    arn: str | None = None

    def evolve(self, event: PolicyCreated | ManagedPolicyImported | PolicyDeleted) -> PolicyArn:
        if isinstance(event, PolicyDeleted):
            return replace(self, holder=None, arn=None)
        return replace(self, holder=event.policy_id if event.arn == self.id else None, arn=event.arn)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.POLICY_ARN.check(reference)

    @classmethod
    def arn_of(cls, account_id: str, name: str, path: str) -> str:
        return name  # policies are called by their ARN

    def resource_arn(self, account_id: str) -> str:
        return self.arn or self.id

    @property
    def name(self) -> str:
        """The policy's name, which ends the ARN."""
        return self.id.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The path, which precedes the name."""
        return self.id[self.id.index("policy/") + len("policy") : len(self.id) - len(self.name)]

    @property
    def owner(self) -> str:
        """The account whose policy it is; `aws` for those that AWS manages."""
        return self.id.split(":")[4]


class OfPolicy(Named):
    """Mixed into every noun that belongs to a managed policy and is called by the policy's ARN."""

    tag: ClassVar[Tag] = POLICY
    named_by: ClassVar[type[Name]] = PolicyArn
    no_such: ClassVar[str] = "Policy {} was not found."

    def belongs_to(self) -> tuple[type[Noun], str]:
        return ManagedPolicy, self.id


@dataclass(frozen=True)
class ManagedPolicy(OfPolicy, Noun):
    """A managed policy's ARN. `id` is the unique id. A policy is never renamed."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (PolicyCreated, ManagedPolicyImported)

    arn: str = ""

    def evolve(self, event: PolicyCreated | ManagedPolicyImported) -> ManagedPolicy:
        return replace(self, arn=event.arn)

    def resource_arn(self, account_id: str) -> str:
        return self.arn

    def check_changeable(self) -> None:
        """Raise InvalidInput if AWS manages it."""
        if self.arn.startswith(AWS):
            raise InvalidInput(f"Policy {self.arn} is managed by AWS and cannot be changed or deleted.")


@dataclass(frozen=True)
class AttachablePolicy(ManagedPolicy):
    """A managed policy that is to be attached."""

    no_such: ClassVar[str] = "Policy {} does not exist or is not attachable."


@dataclass(frozen=True)
class PolicyVersions(OfPolicy, Noun):
    """The versions that a managed policy has, by their ids, oldest first; which is the default; how many there ever were."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (
        PolicyCreated,
        ManagedPolicyImported,
        PolicyVersionCreated,
        DefaultPolicyVersionSet,
        PolicyVersionDeleted,
    )

    documents: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    newest: int = 0

    def evolve(self, event: Event) -> PolicyVersions:
        match event:
            case PolicyVersionCreated():
                return self._with(event)
            case PolicyCreated() | ManagedPolicyImported():
                return replace(self._with(event), default=event.version_id)
            case DefaultPolicyVersionSet():
                return replace(self, default=event.version_id)
            case PolicyVersionDeleted():
                return replace(self, documents={v: d for v, d in self.documents.items() if v != event.version_id})
        return self

    def _with(self, event: PolicyCreated | ManagedPolicyImported | PolicyVersionCreated) -> PolicyVersions:
        documents = {**self.documents, event.version_id: event.document}
        return replace(self, documents=documents, newest=int(event.version_id[1:]))

    @property
    def next(self) -> str:
        """The id of the version that comes next; ids are never used again."""
        return f"v{self.newest + 1}"

    def check_version(self, policy: ManagedPolicy, version_id: str) -> None:
        """Raise NoSuchEntity if there is no such version (any more), ValidationError for what is no version id."""
        constraints.VERSION_ID.check(version_id)
        if version_id not in self.documents:
            raise NoSuchEntity(f"Policy {policy.arn} version {version_id} does not exist or is not attachable.")


# Decisions


@needs("iam:CreatePolicy", on="name")
def create_policy(
    name: PolicyArn,
    document: str,
    policies: Annotated[int, CountOf("managed_policies", where=("scope", "Local"))],
    quotas: Quotas,
    own_account: str,
    policy_id: Annotated[str, NewId(identifiers.unique_id_of("ANPA"))],
    description: str | None = None,
) -> Iterator[Event]:
    """Create a customer managed policy; its first version is v1. Names are unique without regard to case and path.

    The quota over the account is checked on the projection, so it is approximate under concurrency.
    """
    constraints.POLICY_PATH.check(name.path)
    if description is not None:
        constraints.POLICY_DESCRIPTION.check(description)
    if name.owner != own_account:
        raise InvalidInput(f"{name.id} is not an ARN of this account, {own_account}.")
    _check_document(document, quotas)
    if name.arn is not None:
        raise EntityAlreadyExists(f"A policy called {name.name} already exists. Duplicate names are not allowed.")
    if policies >= quotas.policies_per_account:
        raise refuse_beyond(quotas.policies_per_account, "PoliciesPerAccount")
    yield PolicyCreated(
        policy_id=policy_id,
        arn=name.id,
        policy_name=name.name,
        path=name.path,
        description=description or None,
        version_id="v1",
        document=document,
    )


@needs("iam:CreatePolicyVersion", on="policy")
def create_policy_version(
    policy: ManagedPolicy,
    versions: PolicyVersions,
    document: str,
    quotas: Quotas,
    set_as_default: bool = False,
    unless_same: bool = False,
) -> Iterator[Event]:
    """Give a managed policy another version. With `unless_same`, none that has a text which a version has already.

    That version is put in force, if the new one would have been.
    """
    policy.check_changeable()
    _check_document(document, quotas)
    same = [version_id for version_id, text in versions.documents.items() if text == document]
    if unless_same and same:
        if set_as_default and versions.default not in same:
            yield DefaultPolicyVersionSet(policy_id=policy.id, version_id=same[-1])
        return
    if len(versions.documents) >= quotas.versions_per_policy:
        raise LimitExceeded(
            f"A managed policy can have up to {quotas.versions_per_policy} versions. Before you create a new version,"
            " you must delete an existing version."
        )
    yield PolicyVersionCreated(policy_id=policy.id, version_id=versions.next, document=document)
    if set_as_default:
        yield DefaultPolicyVersionSet(policy_id=policy.id, version_id=versions.next)


@needs("iam:SetDefaultPolicyVersion", on="policy")
def set_default_policy_version(policy: ManagedPolicy, versions: PolicyVersions, version_id: str) -> Iterator[Event]:
    """Put another version of a managed policy in force. Doing it twice changes nothing."""
    policy.check_changeable()
    versions.check_version(policy, version_id)
    if version_id != versions.default:
        yield DefaultPolicyVersionSet(policy_id=policy.id, version_id=version_id)


@needs("iam:DeletePolicyVersion", on="policy")
def delete_policy_version(policy: ManagedPolicy, versions: PolicyVersions, version_id: str) -> Iterator[Event]:
    """Delete a version of a managed policy that is not in force. Its text stays in the ledger."""
    policy.check_changeable()
    versions.check_version(policy, version_id)
    if version_id == versions.default:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    yield PolicyVersionDeleted(policy_id=policy.id, version_id=version_id)


@needs("iam:DeletePolicy", on="policy")
@needs("iam:DeletePolicyVersion", on="policy", when="with_versions")
def delete_policy(
    policy: ManagedPolicy,
    versions: PolicyVersions,
    dependents: Annotated[Sequence[Dependent], DependentsOf(POLICY)],
    with_versions: bool = False,
) -> Iterator[Event]:
    """Delete a managed policy that is attached to nothing.

    It must have no version left but the default; `with_versions` deletes the others first.
    """
    policy.check_changeable()
    if not all(dependent.gone for dependent in dependents):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    others = [version_id for version_id in versions.documents if version_id != versions.default]
    if with_versions:
        for version_id in others:
            yield PolicyVersionDeleted(policy_id=policy.id, version_id=version_id)
    elif others:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
            " The default version is deleted with the policy."
        )
    yield from delete_dependents(dependents)
    yield PolicyDeleted(policy_id=policy.id, arn=policy.arn, version_id=versions.default)


@needs("iam:CreatePolicyVersion", on="policy")
@needs("iam:DeletePolicyVersion", on="policy")
def replace_policy_document(
    policy: ManagedPolicy, versions: PolicyVersions, document: str, quotas: Quotas
) -> Iterator[Event]:
    """Put another text in force, as a new version; the oldest that is not in force makes room if there must be some.

    The same text again changes nothing.
    """
    policy.check_changeable()
    _check_document(document, quotas)
    yield from _replaced(policy, versions, document, quotas)


@needs("iamledger:ImportManagedPolicies", on="name")
def import_managed_policy(
    name: PolicyArn,
    document: str,
    policy_id: Annotated[str, NewId(identifiers.unique_id_of("ANPA"))],
    description: str | None = None,
) -> Iterator[Event]:
    """Take over a policy that AWS manages. Doing it twice changes nothing; see `update_managed_policy` for a new text.

    AWS's own policies may be larger than the quota for customers' ones.
    """
    if name.owner != "aws":
        raise InvalidInput(f"{name.id} is not an ARN of a policy that AWS manages, {AWS}…")
    constraints.POLICY_PATH.check(name.path)
    if description is not None:
        constraints.POLICY_DESCRIPTION.check(description)
    checked_size(document)
    if name.arn not in (None, name.id):
        raise EntityAlreadyExists(f"A policy called {name.name} is here already, as {name.arn}.")
    if name.arn is None:
        yield ManagedPolicyImported(
            policy_id=policy_id,
            arn=name.id,
            policy_name=name.name,
            path=name.path,
            description=description or None,
            version_id="v1",
            document=document,
        )


@needs("iamledger:ImportManagedPolicies", on="policy")
def update_managed_policy(
    policy: ManagedPolicy, versions: PolicyVersions, document: str, quotas: Quotas
) -> Iterator[Event]:
    """Take over the present text of a policy that AWS manages, as `replace_policy_document` does with other policies."""
    if not policy.arn.startswith(AWS):
        raise InvalidInput(f"{policy.arn} is not managed by AWS.")
    checked_size(document)
    yield from _replaced(policy, versions, document, quotas)


def _replaced(policy: ManagedPolicy, versions: PolicyVersions, document: str, quotas: Quotas) -> Iterator[Event]:
    if versions.documents[versions.default] == document:
        return
    others = [version_id for version_id in versions.documents if version_id != versions.default]
    excess = max(len(versions.documents) - quotas.versions_per_policy + 1, 0)
    if excess > len(others):
        raise refuse_beyond(quotas.versions_per_policy, "VersionsPerPolicy")
    for version_id in others[:excess]:
        yield PolicyVersionDeleted(policy_id=policy.id, version_id=version_id)
    yield PolicyVersionCreated(policy_id=policy.id, version_id=versions.next, document=document)
    yield DefaultPolicyVersionSet(policy_id=policy.id, version_id=versions.next)


def _check_document(document: str, quotas: Quotas) -> None:
    if checked_size(document) > quotas.policy_size:
        raise refuse_beyond(quotas.policy_size, "PolicySize")
