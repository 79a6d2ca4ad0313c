"""Whether condition keys exist, whether an action has them, and whether operators suit their types.

A key of an identity provider, whose prefix is an address such as `token.actions.githubusercontent.com`, may be any.
"""

from __future__ import annotations

from collections.abc import Collection

from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.global_keys import GLOBAL_KEYS
from iamledger.policy.lint.known import Known, Meaning
from iamledger.policy.lint.written import WrittenCondition, WrittenStatement
from iamledger.policy.operators import Family
from iamledger.policy.services import ConditionKey, Service
from iamledger.policy.words import quote

_COMPARABLE = {
    Family.NUMERIC: ("Numeric", "Date"),
    Family.DATE: ("Date",),
    Family.BOOL: ("Bool",),
    Family.IP_ADDRESS: ("IPAddress",),
    Family.ARN: ("ARN", "String"),
}
"""Types of keys that an operator compares. Strings compare with everything, as text."""


def check_keys(written: WrittenStatement, known: Known, findings: Findings) -> None:
    """Unknown keys, keys that no action has, and operators that do not suit them."""
    if not written.conditions:
        return
    meanings = [known.meaning(pattern) for pattern, _ in written.actions()]
    named = [meaning for meaning in meanings if meaning and meaning.names]
    services = {meaning.service.prefix: meaning.service for meaning in named}
    whole = not written.statement.not_action and len(named) == len(meanings)
    held = _held(named) if whole else None
    for condition in written.conditions:
        name = condition.condition.key
        key = GLOBAL_KEYS.find(name)
        if key is None and not _is_provider(name):
            key = _find(name, services.values(), known)
            if key is None:
                _tell_unknown(condition, known, findings)
            elif held is not None and key.name.lower() not in held:
                message = f"no action of the statement has the condition key {quote(name)}"
                always = "is never true" if condition.needs_value else "is always true"
                findings.add("unsupported-condition-key", condition.key, message, f"without it, the condition {always}")
        if key is not None:
            _check_type(condition, key, findings)


def _is_provider(name: str) -> bool:
    return "." in name.partition(":")[0]


def _find(name: str, services: Collection[Service], known: Known) -> ConditionKey | None:
    """A key of the service that its name begins with, or one of another's that the statement's services have."""
    own = known.service(name.partition(":")[0])
    for service in [*([own] if own else []), *services]:
        if key := known.keys(service).find(name):
            return key
    return None


def _tell_unknown(condition: WrittenCondition, known: Known, findings: Findings) -> None:
    name = condition.condition.key
    prefix = name.partition(":")[0]
    service = known.service(prefix)
    if prefix.lower() == "aws":
        message, advice = f"there is no global condition key {quote(name)}", known.guess(name, GLOBAL_KEYS.names)
    elif service is not None:
        message = f"{service.prefix} has no condition key {quote(name)}"
        advice = known.guess(name, known.keys(service).names)
    else:
        message, advice = f"no service has the condition key {quote(name)}", known.guess_service(prefix)
    findings.add("unknown-condition-key", condition.key, message, advice)


def _held(meanings: Collection[Meaning]) -> set[str]:
    """The keys that actions have: their own, and those of the resources that they are about. In lower case."""
    actions = {(m.service.prefix, name): m.service for m in meanings for name in m.names}
    held: set[str] = set()
    for (_, name), service in actions.items():
        action = service.actions[name]
        held.update(action.condition_keys)
        for resource in action.resources:
            held.update(resource.condition_keys)
            type_ = service.resource_types.get(resource.type.lower())
            held.update(type_.condition_keys if type_ else ())
    return {key.lower() for key in held}


def _check_type(condition: WrittenCondition, key: ConditionKey, findings: Findings) -> None:
    operator = condition.condition.operator
    several = key.type.startswith("ArrayOf")
    type_ = key.type.removeprefix("ArrayOf")
    if type_ not in _COMPARABLE.get(operator.family, (type_,)):
        message = f"{operator} does not compare values of {quote(key.name)}, which are of the type {type_}"
        findings.add("mismatched-type", condition.key, message)
    if operator.family is Family.NULL:
        return
    if several and operator.quantifier is None:
        message = f"{quote(key.name)} has several values, which {operator} never matches"
        findings.add("needs-set-operator", condition.key, message, "write ForAnyValue: or ForAllValues: before it")
    if not several and operator.quantifier is not None:
        message = f"{quote(key.name)} has one value at most, for which there is no need of {operator}"
        findings.add("set-operator-on-single-value", condition.key, message, f"write {str(operator).partition(':')[2]}")
