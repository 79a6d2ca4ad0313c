"""Whether a document grants anything that another one does not: to whomever, and in whatever context.

For each statement of the new document that allows, its actions and then its resources are gone through with the patterns
of all other statements at once (`exploring.py`). There is nothing new if everywhere

- the new document denies it itself, by a Deny whose conditions those of the statement imply; or
- an Allow of the old document is about it whose conditions are implied too, and no Deny of the old document is, except
  for those that the new one has as well, and those whose conditions contradict the statement's.

For each Deny of the old document, everything that it is about must be denied by the new one: what a document no longer
denies, other policies of whoever has it may grant.

That errs on one side only: conditions imply each other only if it is certain (`implications.py`), variables match only what
is certain to be matched by them in what counts for nothing being new, and whatever is possible in what counts against. So
nothing new is missed, for actions of the form `vendor:name` (also those that no catalogue knows). Where it cannot be shown
that nothing is new, contexts are made from the conditions, and the policy engine is asked: a request that the new document
allows and the old one does not is the proof. If none is found, there may be something new, and it is told why that is open.
What conditions of several statements say together is not looked at: that two Allows complement each other, say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from iamledger.policy.callers import Caller
from iamledger.policy.comparing.contexts import Context, satisfying, separating, told_conditions, without
from iamledger.policy.comparing.exploring import Budget, Exhausted
from iamledger.policy.comparing.implications import Block, Blocks, contradicts, implies
from iamledger.policy.comparing.instances import EXAMPLE, instance
from iamledger.policy.comparing.meanings import Actions
from iamledger.policy.comparing.remainders import Others, Remainder, Search, Way
from iamledger.policy.compiled import compile_policies
from iamledger.policy.document import PolicyDocument, Statement
from iamledger.policy.patterns import Pattern, Variable
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.requests import Outcome, Request
from iamledger.policy.sources import Policy
from iamledger.policy.substitution import resolver

_SOMEBODY = Caller.of("arn:aws:iam::123456789012:user/example")
_CONTEXTS = 32
"""In so many contexts a resource is tried out before it is told that something is open."""
_PROBES = 200
_OPEN = "no request was found that shows it, but it is not certain that the old document allows as much"
_REAL = 2_000
"""So many actions of a catalogue are looked at for each pattern."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """Something that a document grants, or no longer denies, and another does not, or does.

    `statement` is the one that does it: the Allow of the new document, or the Deny of the old one. `action` and `resource`
    are its patterns, None for NotAction and NotResource. If `witness` is None, it is only possible, and `why` tells what is
    open.
    """

    statement: Statement
    index: int
    action: str | None
    resource: str | None
    witness: Request | None
    why: str | None = None

    @property
    def grants(self) -> bool:
        """Whether it is an Allow that is new, and no Deny that is gone."""
        return self.statement.effect == "Allow"


def novelties(
    new: PolicyDocument, old: PolicyDocument, budget: Budget, actions: Actions | None = None
) -> list[Novelty]:
    """What is new, or may be. None at all only if a document grants nothing new.

    With a catalogue, the actions of witnesses are real ones where that is possible.
    """
    return _Check(new, old, budget, actions).novelties()


class _Check:
    def __init__(self, new: PolicyDocument, old: PolicyDocument, budget: Budget, actions: Actions | None) -> None:
        self._budget, self._actions = budget, actions
        self._engines = [compile_policies(PolicySet(identity=(Policy("", document),))) for document in (new, old)]
        self._new, self._old = new.statements, old.statements
        self._blocks = Blocks((*new.statements, *old.statements))
        self._new_denies = tuple(one for one in new.statements if one.effect == "Deny")
        self._old_allows = tuple(one for one in old.statements if one.effect == "Allow")

    def novelties(self) -> list[Novelty]:
        """Of the Denies that are gone, and the Allows that are new."""
        gone: list[Novelty] = []
        lifted: list[Statement] = []
        for index, deny in enumerate(self._old):
            if deny.effect == "Deny":
                others = Others(tuple(one for one in self._new_denies if self._blocks.ask(implies, deny, one)))
                if found := list(self._of(deny, index, others)):
                    lifted.append(deny)
                    gone += found
        granted: list[Novelty] = []
        for index, allow in enumerate(self._new):
            if allow.effect == "Allow":
                granted += self._of(allow, index, self._beside(allow, lifted))
        return granted + gone

    def _beside(self, allow: Statement, lifted: Sequence[Statement]) -> Others:
        return Others(
            tuple(one for one in self._old_allows if self._blocks.ask(implies, allow, one)),
            tuple(one for one in self._new_denies if self._blocks.ask(implies, allow, one)),
            tuple(one for one in lifted if not self._blocks.ask(contradicts, allow, one)),
        )

    def _of(self, subject: Statement, index: int, others: Others) -> Iterator[Novelty]:
        """What is not covered of a statement: once for each of its patterns of actions and of resources."""
        found: dict[tuple[str | None, str | None], Novelty] = {}
        contexts = _Lazily(islice(self._contexts(subject), _CONTEXTS))
        try:
            for left in Search(subject, others, self._budget, self._real(subject)).remainders():
                patterns = (_text(left.action_pattern), _text(left.resource_pattern))
                if patterns not in found or found[patterns].witness is None:
                    witness = self._witness(subject, left, contexts)
                    why = None if witness else self._why(subject, left, contexts)
                    found[patterns] = Novelty(subject, index, *patterns, witness, why)
        except Exhausted:
            witness = None if any(one.witness for one in found.values()) else self._probed(subject, contexts)
            why = None if witness else "there is more to compare than the work that a comparison may take"
            found[None, None] = Novelty(subject, index, None, None, witness, why)
        yield from found.values()

    def _probed(self, subject: Statement, contexts: Iterable[Context]) -> Request | None:
        """A witness among a few requests that are likely ones."""
        for action, resource in islice(product(subject.action, subject.resource), _PROBES):
            left = Remainder(action, resource, instance(action), (), ())
            if witness := self._witness(subject, left, islice(contexts, 1)):
                return witness
        return None

    def _real(self, subject: Statement) -> dict[str, Sequence[str]]:
        if self._actions is None:
            return {}
        texts = [pattern.text for pattern in subject.action] or ["*"]
        return {text: self._actions.actions_matching(text)[:_REAL] for text in texts}

    def _contexts(self, subject: Statement) -> Iterator[Context]:
        """Contexts in which a statement's conditions hold, and those of others do or do not."""
        allows = subject.effect == "Allow"
        every = (*self._new_denies, *(self._old_allows if allows else ()))
        against = list(dict.fromkeys(one.conditions for one in every if one.conditions))
        for base in self._bases(subject, against):
            if base is not None:
                yield base
                yield without(against, {}, base, subject.conditions)

    def _bases(self, subject: Statement, against: Iterable[Block]) -> Iterator[Context | None]:
        yield (first := satisfying(subject.conditions, {}))
        if first is not None:
            yield from (separating(subject.conditions, block, {}) for block in against)
            if subject.effect == "Allow":
                denies = dict.fromkeys(one.conditions for one in self._old if one.effect == "Deny" and one.conditions)
                yield from (satisfying((*subject.conditions, *block), {}) for block in denies)

    def _witness(self, subject: Statement, left: Remainder, contexts: Iterable[Context]) -> Request | None:
        """A request that both documents decide differently."""
        for context in contexts:
            for way in (None, *left.ways):
                known = {**dict.fromkeys(_named(subject), EXAMPLE), **context}
                resource = _resource(left, way, known)
                request = Request(_SOMEBODY, left.action, resource, context=known)
                new, old = (engine.decide(request) for engine in self._engines)
                if subject.effect == "Allow" and new and not old:
                    return request
                denied = old.outcome is Outcome.EXPLICIT_DENY
                if subject.effect == "Deny" and denied and new.outcome is not Outcome.EXPLICIT_DENY:
                    return request
        return None

    def _why(self, subject: Statement, left: Remainder, contexts: Iterable[Context]) -> str:
        """What is open."""
        if not any(True for _ in contexts):
            return f"no request was found for which {told_conditions(subject.conditions)}"
        if left.blocking:
            return f"the Deny in line {left.blocking[0].place.line} of the old document may be about it"
        if subject.conditions:
            return f"{_OPEN} if {told_conditions(subject.conditions)}"
        return _OPEN


def _text(pattern: Pattern | None) -> str | None:
    return pattern.text if pattern else None


def _named(subject: Statement) -> Iterator[str]:
    """The keys, in lower case, of the variables in a statement's resources."""
    for pattern in (*subject.resource, *subject.not_resource):
        yield from (part.key.lower() for part in pattern.parts if isinstance(part, Variable))


def _resource(left: Remainder, way: Way | None, context: Context) -> str:
    """The resource of a way, or one as a person would choose it."""
    if way is not None:
        return "".join(one if isinstance(one, str) else resolver(one)(context) or "" for one in way)
    if left.resource_pattern is None or left.resource_pattern.text == "*":
        return f"arn:aws:{left.action.partition(':')[0]}:::{EXAMPLE}"
    return instance(left.resource_pattern, context)


class _Lazily(Iterable[Context]):
    """Contexts that are made when they are first asked for, and kept."""

    def __init__(self, made: Iterator[Context]) -> None:
        self._made, self._kept = made, list[Context]()

    def __iter__(self) -> Iterator[Context]:
        yield from self._kept
        for context in self._made:
            self._kept.append(context)
            yield context
