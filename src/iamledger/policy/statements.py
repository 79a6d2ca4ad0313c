"""A statement: which elements it needs, which exclude each other, which the kind of document forbids, and what they say.

- Effect is needed, and is exactly Allow or Deny.
- Principal and NotPrincipal exclude each other, so do Action and NotAction, Resource and NotResource. Which of the pairs are
  needed depends on the kind of document (`kinds.py`).
- No Sid stands twice in a document, except for the empty one, which is as good as none: tools write it everywhere.
"""

from __future__ import annotations

import re
from functools import partial

from iamledger.policy.actions import read_action
from iamledger.policy.arns import read_resource
from iamledger.policy.conditions import read_conditions
from iamledger.policy.document import Condition, Effect, Principal, Statement
from iamledger.policy.elements import each, members, one_of, text
from iamledger.policy.json_places import Object, Value
from iamledger.policy.kinds import Kind
from iamledger.policy.patterns import Pattern
from iamledger.policy.principals import read_principals
from iamledger.policy.problems import Problems
from iamledger.policy.words import quote

EFFECTS: tuple[Effect, ...] = ("Allow", "Deny")
_PAIRS = (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource"))
_ELEMENTS = ("Sid", "Effect", *(name for pair in _PAIRS for name in pair), "Condition")


class Statements:
    """Reads the statements of one document."""

    def __init__(self, kind: Kind, problems: Problems, *, variables: bool) -> None:
        self._kind, self._problems, self._variables = kind, problems, variables
        self._lines_of_sids: dict[str, int] = {}

    def read(self, node: Value) -> Statement | None:
        """A statement. Notes what is wrong with it; None if there is no telling what it would be."""
        elements = members(node, _ELEMENTS, "a statement", self._problems)
        if not isinstance(node, Object):
            return None
        self._check_presence(node)
        for name in self._kind.rules.forbidden:
            elements.pop(name, None)
        sid = self._sid(elements.get("Sid"))
        effect = self._effect(elements.get("Effect"))
        principal = self._principals(elements.get("Principal"))
        not_principal = self._principals(elements.get("NotPrincipal"))
        action = self._actions(elements.get("Action"))
        not_action = self._actions(elements.get("NotAction"))
        resource = self._resources(elements.get("Resource"))
        not_resource = self._resources(elements.get("NotResource"))
        conditions = self._conditions(elements.get("Condition"))
        if effect is None:
            return None
        return Statement(
            *(sid, effect, principal, not_principal, action, not_action, resource, not_resource, conditions),
            place=self._problems.lines.place(node.offset),
            end=self._problems.lines.place(node.end),
        )

    def _check_presence(self, node: Object) -> None:
        rules = self._kind.rules
        if "Effect" not in node.members:
            self._problems.add(node.offset, node.path, "the statement has no Effect", "write Allow or Deny")
        for plain, negated in _PAIRS:
            written = [node.members[name][0] for name in node.members if name in (plain, negated)]
            forbidden = [key for key in written if key.text in rules.forbidden]
            for key in forbidden:
                self._problems.add(key.offset, key.path, f"{self._kind} has no {key.text}", "remove it")
            if len(written) == 2 and not forbidden:
                message = f"the statement has both {plain} and {negated}"
                self._problems.add(written[1].offset, written[1].path, message, "keep one of them")
            if len(written) == len(forbidden) and plain in rules.needed:
                either = plain if negated in rules.forbidden else f"{plain} or {negated}"
                self._problems.add(node.offset, node.path, f"the statement has no {either}")

    def _sid(self, node: Value | None) -> str | None:
        sid = text(node, self._problems) if node else None
        if node is None or not sid:
            return sid
        if self._kind.rules.plain_sids and not re.fullmatch("[0-9A-Za-z]*", sid):
            message = f"{quote(sid)} is no Sid of {self._kind}"
            self._problems.add(node.offset, node.path, message, "write letters and digits only")
        if sid in self._lines_of_sids:
            message = f"the Sid {quote(sid)} is taken by the statement whose Sid is in line {self._lines_of_sids[sid]}"
            self._problems.add(node.offset, node.path, message, "give every statement another")
        self._lines_of_sids.setdefault(sid, self._problems.lines.place(node.offset).line)
        return sid

    def _effect(self, node: Value | None) -> Effect | None:
        effect = one_of(EFFECTS, node, "effect", self._problems) if node else None
        only = self._kind.rules.only_effect
        if node and effect and only not in (None, effect):
            self._problems.add(node.offset, node.path, f"{self._kind} has no effect but {only}")
        return effect

    def _principals(self, node: Value | None) -> tuple[Principal, ...]:
        everybody = self._kind.rules.only_everybody
        return read_principals(node, self._problems, only_everybody=everybody) if node else ()

    def _actions(self, node: Value | None) -> tuple[Pattern, ...]:
        read = partial(read_action, only_vendor=self._kind.rules.only_vendor)
        return each(node, read, self._problems) if node else ()

    def _resources(self, node: Value | None) -> tuple[Pattern, ...]:
        read = partial(read_resource, variables=self._variables)
        return each(node, read, self._problems) if node else ()

    def _conditions(self, node: Value | None) -> tuple[Condition, ...]:
        return tuple(read_conditions(node, self._problems, variables=self._variables)) if node else ()
