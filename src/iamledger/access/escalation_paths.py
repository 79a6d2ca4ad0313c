"""The ways in which users could give themselves permissions: their steps, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iamledger.access.attempts import Allowed
from iamledger.access.grants import Grants, User
from iamledger.access.techniques import Technique

COLUMNS = (
    *("UserName", "Path", "Action", "On", "LeadsTo", "Condition"),
    *("PolicyName", "GroupName", "Statement", "Position", "GrantedBy"),
)
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Step:
    """What a user does, to what, and why it may. `leads_to` is what it has then; `to` the user as whom it goes on."""

    user: User
    technique: Technique
    target: str
    allowed: tuple[Allowed, ...]
    leads_to: str
    to: str | None = None

    @property
    def condition(self) -> str | None:
        """What must hold."""
        return "; ".join(dict.fromkeys(one.condition for one in self.allowed if one.condition)) or None


@dataclass(frozen=True, slots=True)
class Path:
    """The steps of a user, the first its own, the others those of whom it then is."""

    steps: tuple[Step, ...]

    @property
    def leads_to(self) -> str:
        """What it ends with."""
        return self.steps[-1].leads_to


@dataclass
class Escalations:
    """Administrators, paths, and users whose policies cannot be read."""

    administrators: list[User] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


def rows_of(path: Path, grants: Grants) -> list[Mapping[str, Any]]:
    """A path for people and programs: a row for each step, with the statement that allows it and who granted that."""
    rows: list[Mapping[str, Any]] = []
    start = path.steps[0].user.name
    for number, step in enumerate(path.steps, 1):
        for allowed in step.allowed:
            row = {
                "UserName": start,
                "Path": step.technique.gains if number == 1 else f"then as {step.user.name}: {step.technique.gains}",
                "Action": allowed.action,
                "On": step.target if allowed.action == step.technique.action else allowed.resource,
                "LeadsTo": step.leads_to,
                "Condition": allowed.condition,
            }
            rows.append({**row, **_granted(allowed, grants, step.user.id)})
    return rows


def _granted(allowed: Allowed, grants: Grants, user_id: str) -> Mapping[str, Any]:
    source = allowed.sources[0] if allowed.sources else None
    holding = next((one for one in grants.holdings(user_id) if source and one.policy.label == source.label), None)
    if source is None or holding is None:
        return dict.fromkeys(("PolicyName", "GroupName", "Statement", "Position", "GrantedBy"))
    latest = max((holding.granted, *([holding.joined] if holding.joined else [])), key=lambda how: how.position)
    return {
        "PolicyName": holding.policy.name,
        "GroupName": holding.group.name if holding.group else None,
        "Statement": source.index + 1,
        "Position": latest.position,
        "GrantedBy": latest.by,
    }
