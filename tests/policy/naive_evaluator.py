"""A second evaluator, which is as simple as can be: no index, no compilation, nothing of the product's.

It takes cases in the form of the vectors (`tests/vectors/policy/README.md`), as plain JSON, and goes through the rules in
their order. Numbers in comments are those of the rules.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from ipaddress import ip_interface, ip_network
from itertools import groupby
from typing import Any

Case = dict[str, Any]
ANY, ONE = object(), object()


def decide(case: Case) -> tuple[str, str]:
    """The outcome and the layer that decided, in the words of the vectors."""
    return _Decision(case).result()


class _Decision:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.caller = case["caller"]
        self.policies = case.get("policies", {})
        self.context = {key.lower(): value for key, value in case.get("context", {}).items()}  # 31
        self.account = self._account()
        self.bounded = "boundary" in self.policies and self.account is not None

    def result(self) -> tuple[str, str]:
        policies, account = self.policies, self.account
        resource_side = [policies[kind] for kind in ("resource", "trust") if kind in policies]
        layers: list[tuple[str, list[Any]]] = [
            *(("resource control policy", level) for level in policies.get("resource_control", [])),
            *(("service control policy", level) for level in policies.get("service_control", []) if account),
            ("resource-based policy", resource_side),
            *([("identity-based policy", policies.get("identity", []))] if account else []),
            *([("permissions boundary", [policies["boundary"]])] if self.bounded else []),
            *([("session policy", policies["session"])] if account and policies.get("session") else []),
        ]
        for name, documents in layers:  # 1, 2
            if any(self._denies(statement, name) for statement, _ in self._matching(documents, "Deny")):
                return "explicitDeny", name
        allowing = [(name, list(self._matching(documents, "Allow"))) for name, documents in layers]
        if any(name == "service control policy" and not found for name, found in allowing):  # 4, 5
            return "implicitDeny", "service control policy"
        says = {name: bool(found) for name, found in allowing}
        names = {name for s, _ in dict(allowing)["resource-based policy"] for name in self._names_used(s)}
        if account is None:  # 14, 15
            return ("allowed" if names else "implicitDeny"), "resource-based policy"
        identity = says["identity-based policy"] or self._is_root()  # 3
        boundary, session = says.get("permissions boundary", True), says.get("session policy", True)  # 9
        same = self.case.get("resource_account", account) == account
        if not names and (not same or "trust" in policies):  # 7, 8
            return "implicitDeny", "resource-based policy"
        ways = [(identity, boundary, session)]
        if same:
            ways += [(True, boundary, session)] if names & {"role", "everybody", "user", "session"} else []  # 12, 14
            ways += [(True, True, session)] if names & {"user", "session"} else []  # 10
            ways += [(True, True, True)] if "session" in names else []  # 11
        if any(all(way) for way in ways):
            needed = not same or "trust" in policies or names & {"role", "everybody", "user", "session"}
            return "allowed", "resource-based policy" if needed else "identity-based policy"
        best = ways[-1]
        order = ("identity-based policy", "permissions boundary", "session policy")
        return "implicitDeny", next(name for name, allows in zip(order, best, strict=True) if not allows)

    # --- principals

    def _account(self) -> str | None:
        if "arn" not in self.caller:
            return None
        account = self.caller["arn"].split(":")[4]
        return account if re.fullmatch("[0-9]+", account) else None

    def _is_root(self) -> bool:
        return self.account is not None and self.caller["arn"].split(":", 5)[5] == "root"

    def _who(self, type_: str, id_: str) -> str | None:
        """What a principal of a policy is to the caller: session, user, role, everybody, account; None if another."""
        caller, arn = self.caller, self.caller.get("arn")
        if type_ == "AWS" and id_ == "*":
            return "everybody"
        if type_ == "Service":
            return "session" if caller.get("service") == id_ else None
        if type_ == "Federated":
            return "session" if caller.get("federated") == id_ else None
        if arn is None:
            return None
        if self.account is None:
            return "session" if (type_, id_) == ("AWS", arn) else None
        partition = arn.split(":")[1]
        if type_ == "CanonicalUser":
            return "account" if id_ == caller.get("canonical_user") else None
        if id_ in (self.account, f"arn:{partition}:iam::{self.account}:root"):  # 13
            return "account"
        resource = arn.split(":", 5)[5]
        issuer = caller.get("issuer")
        if issuer is None and resource.startswith("assumed-role/"):
            issuer = f"arn:{partition}:iam::{self.account}:role/{resource.split('/')[1]}"
        is_session = arn.split(":")[2] == "sts"
        if is_session and id_ == arn:
            return "session"
        lasting = issuer if is_session else arn
        if id_ in (lasting, caller.get("unique_id")):
            return "user" if lasting is not None and ":user/" in lasting else "role"
        return None

    def _principals(self, element: Any) -> Iterator[str]:
        for type_, ids in {"AWS": "*"}.items() if element == "*" else element.items():
            for id_ in _list(ids):
                if who := self._who(type_, id_):
                    yield who

    def _names_used(self, statement: Any) -> set[str]:
        if "NotPrincipal" in statement:
            return set() if any(self._principals(statement["NotPrincipal"])) else {"everybody"}
        return set(self._principals(statement["Principal"]))

    def _denies(self, statement: Any, layer: str) -> bool:
        if layer != "resource-based policy":
            return True
        if "NotPrincipal" in statement and self.bounded:  # 16
            return True
        return bool(self._names_used(statement))

    # --- statements

    def _matching(self, documents: list[Any], effect: str) -> Iterator[tuple[Any, bool]]:
        for document in documents:
            variables = document.get("Version") == "2012-10-17"  # 24
            for statement in _list(document["Statement"]):
                if (
                    statement["Effect"] == effect
                    and self._action(statement)
                    and self._resource(statement, variables)
                    and self._conditions(statement, variables)
                ):
                    yield statement, variables

    def _action(self, statement: Any) -> bool:
        action = self.case["action"].lower()  # 19
        patterns = _list(statement.get("Action", statement.get("NotAction")))
        found = any(
            pattern in ("*", "*:*") or _match(_tokens(pattern.lower()), action, lambda _: True) for pattern in patterns
        )
        return found != ("NotAction" in statement)  # 20

    def _resource(self, statement: Any, variables: bool) -> bool:
        if "Resource" not in statement and "NotResource" not in statement:
            return True
        patterns = _list(statement.get("Resource", statement.get("NotResource")))
        found = any(self._one_resource(pattern, variables) for pattern in patterns)
        return found != ("NotResource" in statement)  # 20

    def _one_resource(self, pattern: str, variables: bool) -> bool:
        tokens = self._substituted(pattern, variables)
        if tokens is None:  # 22
            return False
        tokens = _normal(tokens)

        def crosses(place: int) -> bool:  # 21: whether a wildcard may cross a colon
            run = next((n for n in range(place, len(tokens)) if tokens[n] not in (ANY, ONE)), len(tokens))
            stars_at_end = run == len(tokens) or tokens[run] == ":"
            return tokens[:place].count(":") >= 5 or (tokens[place] is ANY and stars_at_end)

        return _match(tokens, self.case["resource"], crosses)

    # --- variables

    def _substituted(self, text: str, variables: bool, wildcards: bool = True) -> list[Any] | None:
        """The characters and wildcards of a pattern; None if a variable is unresolved."""
        tokens: list[Any] = []
        while text:
            if variables and text.startswith("${"):
                body, _, text = text[2:].partition("}")
                if body in ("*", "?", "$"):  # 27
                    tokens.append(body)
                    continue
                key, _, default = body.partition(", ")
                value = self.context.get(key.lower())
                if value is None or value == []:
                    if not default:
                        return None
                    value = default[1:-1]  # 26
                elif isinstance(value, list):  # 25
                    return None
                tokens += list(_text(value))  # 23
            else:
                tokens.append({"*": ANY, "?": ONE}.get(text[0], text[0]) if wildcards else text[0])
                text = text[1:]
        return tokens

    # --- conditions

    def _conditions(self, statement: Any, variables: bool) -> bool:
        return all(  # 30
            self._condition(name, key.lower(), [_text(value) for value in _list(values)], variables)
            for name, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )

    def _condition(self, name: str, key: str, wanted: list[str], variables: bool) -> bool:
        quantifier, _, operator = name.rpartition(":")
        if_exists = operator.endswith("IfExists")
        operator = operator.removesuffix("IfExists")
        negated = "Not" in operator
        operator = operator.replace("Not", "")
        value = self.context.get(key)
        absent = value is None or value == []
        if operator == "Null":  # 34
            return ("true" if absent else "false") in [text.lower() for text in wanted]
        if absent:
            if quantifier == "ForAllValues":  # 35
                return True
            if quantifier == "ForAnyValue":
                return if_exists
            return negated or if_exists  # 32, 33
        if not quantifier and isinstance(value, list):  # 37
            return False

        def one(actual: str) -> bool:
            answers = [self._compare(operator, actual, text, variables) for text in wanted]
            if not _readable(operator, actual) or None in answers:  # 41
                return False
            return any(answers) != negated  # 30, 36

        answers = [one(_text(item)) for item in _list(value)]
        return any(answers) if quantifier == "ForAnyValue" else all(answers)

    def _compare(self, operator: str, actual: str, wanted: str, variables: bool) -> bool | None:
        if operator in ("StringEquals", "StringEqualsIgnoreCase", "Bool"):  # 38, 40
            tokens = self._substituted(wanted, variables, wildcards=False)
            if tokens is None:  # 28
                return False
            text = "".join(tokens)
            if operator == "Bool":
                return actual.lower() in ("true", "false") and actual.lower() == text.lower()
            return text == actual if operator == "StringEquals" else text.casefold() == actual.casefold()
        if operator == "StringLike":
            tokens = self._substituted(wanted, variables)
            return tokens is not None and _match(tokens, actual, lambda _: True)
        if operator in ("ArnEquals", "ArnLike"):  # 39
            tokens = self._substituted(wanted, variables)
            return tokens is not None and _arn_like(tokens, actual)
        if operator == "IpAddress":  # 43
            one, other = _network(actual), _network(wanted)
            if one is None or other is None:
                return None
            return one.version == other.version and one.subnet_of(other)
        if operator == "BinaryEquals":  # 44
            return _bytes(actual) == _bytes(wanted)
        read = _number if operator.startswith("Numeric") else _moment
        left, right = read(actual), read(wanted)
        if left is None or right is None:
            return None
        return {
            "Equals": left == right,
            "LessThan": left < right,
            "LessThanEquals": left <= right,
            "GreaterThan": left > right,
            "GreaterThanEquals": left >= right,
        }[operator.removeprefix("Numeric").removeprefix("Date")]


def _readable(operator: str, text: str) -> bool:
    """Whether a value is of the type that an operator compares."""
    if operator.startswith("Numeric"):
        return _number(text) is not None
    if operator.startswith("Date"):
        return _moment(text) is not None
    if operator == "IpAddress":
        return _network(text) is not None
    if operator == "BinaryEquals":
        return _bytes(text) is not None
    return operator != "Bool" or text.lower() in ("true", "false")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _tokens(text: str) -> list[Any]:
    return [{"*": ANY, "?": ONE}.get(character, character) for character in text]


def _match(tokens: list[Any], text: str, crosses: Callable[[int], bool]) -> bool:
    """Whether a pattern matches, token by token: where in the text may what matched the tokens so far end?"""
    ends = {0}
    for place, token in enumerate(tokens):
        if token is ANY:
            for end in sorted(ends):
                while end < len(text) and (text[end] != ":" or crosses(place)) and end + 1 not in ends:
                    end += 1
                    ends.add(end)
        elif token is ONE:
            ends = {end + 1 for end in ends if end < len(text) and (text[end] != ":" or crosses(place))}
        else:
            ends = {end + 1 for end in ends if end < len(text) and text[end] == token}
    return len(text) in ends


def _arn_like(tokens: list[Any], text: str) -> bool:
    components: list[list[Any]] = [[]]
    for token in tokens:
        if token == ":" and len(components) < 6:
            components.append([])
        else:
            components[-1].append(token)
    if text.count(":") < 5:
        return False
    if len(components) < 6 and (not components[-1] or _normal(components[-1])[-1] is not ANY):
        return False
    if len(components) > 2 and (ANY in components[2] or ONE in components[2]):
        return False
    texts = text.split(":", len(components) - 1)
    return all(_match(c, t, lambda _: True) for c, t in zip(components, texts, strict=True))


def _normal(tokens: list[Any]) -> list[Any]:
    """With the `*`s of every run of wildcards after its `?`s."""
    made: list[Any] = []
    for wild, run in groupby(tokens, lambda token: token in (ANY, ONE)):
        made += sorted(run, key=lambda token: wild and token is ANY)
    return made


def _number(text: str) -> Fraction | None:
    return Fraction(text) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", text) else None


def _moment(text: str) -> Fraction | None:
    """Seconds since 1970 began."""
    if re.fullmatch("[0-9]{4}", text):
        text += "-01"
    if re.fullmatch("[0-9]{4}-[0-9]{2}", text):
        text += "-01"
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        text += "T00:00Z"
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        return Fraction(text)
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:\d{2})", text, re.ASCII)
    if not found:
        return None
    zone = found[4]
    try:
        moment = datetime.fromisoformat(f"{found[1]}:{found[2] or '00'}").replace(tzinfo=UTC)
        offset = timedelta(0) if zone == "Z" else datetime.strptime(zone[1:], "%H:%M") - datetime(1900, 1, 1)
    except ValueError:
        return None
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) - (-offset if zone[0] == "-" else offset)
    return whole.days * 86400 + whole.seconds + Fraction((found[3] and f"0{found[3]}") or 0)


def _network(text: str) -> Any:
    if "%" in text or not re.fullmatch("[0-9a-fA-F:.]+(/[0-9]{1,3})?", text):
        return None
    try:
        return ip_network(ip_interface(text).network)
    except ValueError:
        return None


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        return None
