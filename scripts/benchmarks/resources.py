"""The part of the fixed mix that is about resources: who created them, who is responsible, their policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.grants import Grants
from iamledger.iam import resource
from iamledger.iam.events import Event


@dataclass(eq=False)
class Bucket:
    """A resource, the id of who is responsible for it, and the accounts that it is shared with."""

    arn: str
    responsible: str | None
    shared_with: list[str]


class Resources(Grants):
    """Operations on resources, and on groups and policies."""

    def __init__(self) -> None:
        super().__init__()
        self.buckets: list[Bucket] = []

    def register_resource(self) -> Iterator[Event]:
        if user := self.pick(self.members):
            made = Bucket(f"arn:aws:s3:::bucket-{self.number}", user.id, [])
            self.buckets.append(made)
            yield resource.ResourceRegistered(resource_arn=made.arn, creator_id=user.id, creator_name=user.name)

    def transfer_resource(self) -> Iterator[Event]:
        found, user = self.pick(self.buckets), self.pick(self.members)
        if found and user and user.id != found.responsible:
            old, found.responsible = found.responsible, user.id
            yield resource.ResourceTransferred(
                resource_arn=found.arn, responsible_id=user.id, responsible_name=user.name, old_responsible_id=old
            )

    def share_resource(self) -> Iterator[Event]:
        found = self.pick(self.buckets)
        if found and len(found.shared_with) < 5:
            found.shared_with.append(f"{200_000_000_000 + self.number}")
            yield resource.ResourcePolicyPut(resource_arn=found.arn, document=_policy(found))

    def unshare_resource(self) -> Iterator[Event]:
        found = self.pick(self.buckets)
        if found and found.shared_with:
            found.shared_with.pop(0)
            if found.shared_with:
                yield resource.ResourcePolicyPut(resource_arn=found.arn, document=_policy(found))
            else:
                yield resource.ResourcePolicyDeleted(resource_arn=found.arn)

    def deregister_resource(self) -> Iterator[Event]:
        if found := self.pick(self.buckets):
            self.buckets.remove(found)
            if found.shared_with:
                yield resource.ResourcePolicyDeleted(resource_arn=found.arn)
            yield resource.ResourceDeregistered(resource_arn=found.arn)


def _policy(bucket: Bucket) -> str:
    statements = [
        {
            "Sid": f"SharedWith{account}",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": ["s3:GetObject"],
            "Resource": [bucket.arn, f"{bucket.arn}/*"],
        }
        for account in bucket.shared_with
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
