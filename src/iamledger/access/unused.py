"""Keys, users, policies and groups that no recorded use has needed since some time.

What is known of uses is that a key was used for a service, at a time: not which action it was, nor on what. So a grant is
taken for used if a key of somebody who has it was used for one of its services. A command of the ledger itself is a use of
iam by whoever gave it. Who holds no key cannot be seen to use anything. Grants that are younger than the time that is asked
for are told too, with their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from iamledger import store
from iamledger.access.grants import READS as GRANT_READS
from iamledger.access.grants import Grants, HeldPolicy, Holding, UnreadablePolicy
from iamledger.policy import Statement

if TYPE_CHECKING:
    from iamledger.engine.view import View

READS = (*GRANT_READS, "access_keys")
COLUMNS = ("Kind", "Name", "Of", "GroupName", "Statement", "Unused", "LastUsed", "Since", "Position")


class Use(NamedTuple):
    """The last use of a service by a user, with a key; without one, a command of the ledger."""

    user_id: str
    access_key_id: str | None
    service: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Unused:
    """Something that was not used.

    `kind` is `AccessKey`, `User`, `Policy`, `Group` or `Grant`; `of` whose it is; `unused` what of it, in words; `last_used`
    when it was used before that, if ever; `since` and `position` when it came to be.
    """

    kind: str
    name: str
    unused: str
    of: str | None = None
    group: str | None = None
    statement: int | None = None
    last_used: datetime | None = None
    since: datetime | None = None
    position: int | None = None

    def row(self) -> Mapping[str, Any]:
        """With the names of `COLUMNS`."""
        return {
            "Kind": self.kind,
            "Name": self.name,
            "Of": self.of,
            "GroupName": self.group,
            "Statement": self.statement,
            "Unused": self.unused,
            "LastUsed": self.last_used,
            "Since": self.since,
            "Position": self.position,
        }


def read_uses(view: View) -> list[Use]:
    """The last use of each service by each key, and of iam by each user who gave commands, as of the view."""
    parameters = {"account": view.account_id, "upto": view.position}
    with store.translated():
        used = view.connection.execute(
            "SELECT data->>'user_id', data->>'access_key_id', lower(data->>'service_name'),"
            " max((data->>'used_at')::timestamptz) FROM iamledger.events"
            " WHERE account_id = %(account)s AND position <= %(upto)s AND type = 'AccessKeyUsed' GROUP BY 1, 2, 3",
            parameters,
        ).fetchall()
        commanded = view.connection.execute(
            "SELECT context->'actor'->>'unique_id', context->'actor'->>'access_key_id', 'iam', max(recorded_at)"
            " FROM iamledger.events WHERE account_id = %(account)s AND position <= %(upto)s"
            " AND context->'actor'->>'type' = 'Principal' GROUP BY 1, 2, 3",
            parameters,
        ).fetchall()
    return [Use(*row) for row in (*used, *commanded)]


def unused(view: View, grants: Grants, since: datetime) -> list[Unused]:
    """All that was not used since a time: keys, users, grants, then policies and groups that nobody has anything of."""
    uses = read_uses(view)
    keys = view.rows("SELECT k.access_key_id, k.user_id, k.create_date FROM {access_keys} k ORDER BY k.create_date")
    search = _Search(grants, uses, keys, since)
    return [*search.keys(), *search.users(), *search.grants(), *search.policies(), *search.groups()]


class _Search:
    def __init__(self, grants: Grants, uses: Sequence[Use], keys: Sequence[Mapping[str, Any]], since: datetime) -> None:
        self._grants, self._keys, self._since = grants, keys, since
        self._of_key: dict[str, datetime] = {}
        self._of_user: dict[str, dict[str, datetime]] = defaultdict(dict)
        for use in uses:
            if use.access_key_id is not None:
                self._of_key[use.access_key_id] = max(use.at, self._of_key.get(use.access_key_id, use.at))
            services = self._of_user[use.user_id]
            services[use.service] = max(use.at, services.get(use.service, use.at))

    def keys(self) -> Iterator[Unused]:
        """Keys that were never used, or not since then."""
        for key in self._keys:
            user = self._grants.users.get(key["user_id"])
            last = self._of_key.get(key["access_key_id"])
            if last is None or last < self._since:
                of = user.name if user else key["user_id"]
                yield Unused(
                    "AccessKey", key["access_key_id"], _since(last), of, last_used=last, since=key["create_date"]
                )

    def users(self) -> Iterator[Unused]:
        """Users none of whose keys was used, and who gave no command."""
        keyed = {key["user_id"] for key in self._keys}
        for user in self._sorted():
            last = max(self._of_user.get(user.id, {}).values(), default=None)
            if last is None or last < self._since:
                none = "" if user.id in keyed else "; it has no access key"
                yield Unused("User", user.name, _since(last) + none, last_used=last, since=user.create_date)

    def grants(self) -> Iterator[Unused]:
        """Statements that users hold, of services that the users did not use: one for each user, policy and way."""
        reaches: dict[str, list[tuple[int, _Reach]]] = {}
        for user in self._sorted():
            times = self._of_user.get(user.id, {})
            used = {service for service, at in times.items() if at >= self._since}
            for holding in self._grants.holdings(user.id):
                label = holding.policy.label
                if label not in reaches:
                    reaches[label] = list(_reaches(holding.policy))
                for index, reach in reaches[label]:
                    if told := reach.unused(used):
                        last = max(
                            (at for one, at in times.items() if one not in used and reach.has(one)), default=None
                        )
                        yield self._grant(user.name, holding, index, told, last)

    def _grant(self, user_name: str, holding: Holding, index: int, told: str, last: datetime | None) -> Unused:
        latest = max((holding.granted, *([holding.joined] if holding.joined else [])), key=lambda how: how.position)
        group = holding.group.name if holding.group else None
        return Unused(
            *("Grant", holding.policy.name, told, user_name, group, index),
            last_used=last,
            since=latest.at,
            position=latest.position,
        )

    def policies(self) -> Iterator[Unused]:
        """The account's own managed policies that nobody has, not even as a boundary."""
        bounding = {policy.label for policy, _ in self._grants.boundaries.values()}
        for policy in sorted(self._grants.policies.values(), key=lambda policy: policy.name.lower()):
            held = policy.label in self._grants.holders or policy.label in bounding
            if policy.type == "Customer managed" and not held:
                yield Unused("Policy", policy.name, "attached to nobody")

    def groups(self) -> Iterator[Unused]:
        """Groups without members that hold policies."""
        for group in sorted(self._grants.groups.values(), key=lambda group: group.name.lower()):
            held = self._grants.granted.get(group.id)
            if held and not self._grants.members.get(group.id):
                names = ", ".join(policy.name for policy, _ in held)
                yield Unused("Group", group.name, f"has no members, but policies: {names}")

    def _sorted(self) -> list[Any]:
        return sorted(self._grants.users.values(), key=lambda user: (user.name.lower(), user.id))


def _since(last: datetime | None) -> str:
    return "never used" if last is None else "not used since then"


@dataclass(frozen=True, slots=True)
class _Reach:
    """The services that a statement is about: these, or all but these."""

    services: tuple[str, ...]
    all_but: bool

    def has(self, service: str) -> bool:
        """Whether a service is one of them."""
        return (service in self.services) != self.all_but

    def unused(self, used: set[str]) -> str | None:
        """Which of them were not used, in words; None if all were."""
        if not self.all_but:
            left = [service for service in self.services if service not in used]
            return ", ".join(left) or None
        but = sorted({*self.services, *used})
        return f"all services but {', '.join(but)}" if but else "all services"


def _reaches(policy: HeldPolicy) -> Iterator[tuple[int, _Reach]]:
    """The services of each statement of a policy that allows something."""
    try:
        statements = policy.document.statements
    except UnreadablePolicy:
        return
    for number, statement in enumerate(statements, 1):
        if statement.effect == "Allow":
            yield number, _reach(statement)


def _reach(statement: Statement) -> _Reach:
    patterns = [pattern.text.lower() for pattern in (*statement.action, *statement.not_action)]
    if statement.not_action:  # a service is left out only if all its actions are
        return _Reach(tuple(sorted(text.removesuffix(":*") for text in patterns if text.endswith(":*"))), True)
    if any(text in ("*", "*:*") for text in patterns):
        return _Reach((), True)
    return _Reach(tuple(sorted({text.partition(":")[0] for text in patterns})), False)
