"""What differs in one thing between two moments, for `--diff`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from iamledger.cli.output import Output, Row, cell, instant, print_csv, print_json, say

_WITH_TIME = frozenset({"AgeDays"})
"""Members that change by themselves, as time passes."""
_IDENTITY = {"AttachedPolicies": ["PolicyArn"], "Attachments": ["EntityType", "EntityName", "Usage"]}
"""By what the elements of a list are told apart, where the first member is not enough."""
Found = tuple[Row | None, Mapping[str, Any]]
"""The thing, if it existed, and which moment it is of."""


def tell_differences(output: Output, name: str, before: Found, after: Found) -> None:
    """Print the members that differ: for people with a minus and a plus, for programs with Before and After."""
    changes = [{"Member": member, "Before": old, "After": new} for member, old, new in differences(before[0], after[0])]
    if output is Output.JSON:
        print_json({"From": dict(before[1]), "To": dict(after[1]), name: {"Changes": changes}})
    elif output is Output.CSV:
        print_csv(changes, ["Member", "Before", "After"])
    else:
        for sign, (found, origin) in (("---", before), ("+++", after)):
            nothing = "" if found is not None else f": no {name}"
            say(f"{sign} position {origin['Position']}, recorded {instant(origin['RecordedAt'])}{nothing}", "heading")
        for change in changes:
            _tell(change["Member"], change["Before"], change["After"])
        if not changes:
            print("No difference.")


def differences(before: Row | None, after: Row | None) -> Iterator[tuple[str, Any, Any]]:
    """Members that differ, by path: (`Path`, old, new), (`Groups/admins`, None, {…})."""
    old, new = _members(before or {}), _members(after or {})
    for member in dict.fromkeys([*old, *new]):
        if old.get(member) != new.get(member):
            yield member, old.get(member), new.get(member)


def _members(record: Row) -> dict[str, Any]:
    """The members of a record; each element of a list of things becomes one of its own, named by what it is called."""
    found: dict[str, Any] = {}
    same: Counter[str] = Counter()
    for name, value in record.items():
        if isinstance(value, list) and all(isinstance(element, dict) for element in value):
            for element in value:
                kept = {k: v for k, v in element.items() if k not in _WITH_TIME}
                member = f"{name}/" + " ".join(str(kept[k]) for k in _IDENTITY.get(name, list(kept)[:1]))
                same[member] += 1
                found[member if same[member] == 1 else f"{member}#{same[member]}"] = kept
        elif name not in _WITH_TIME:
            found[name] = value
    return found


def _tell(member: str, old: Any, new: Any) -> None:
    if any(isinstance(text, str) and "\n" in text for text in (old, new)):
        tell_texts(member, old, new)
        return
    if isinstance(old, dict) and isinstance(new, dict) and "type" not in old:
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                _tell(f"{member}/{name}", old.get(name), new.get(name))
        return
    for sign, value, style in (("-", old, "removed"), ("+", new, "added")):
        if value is not None:
            say(f"{sign} {cell(member)}{_told(value)}", style)


def tell_texts(heading: str, old: str | None, new: str | None) -> None:
    """How two texts differ, by their lines."""
    say(heading, "heading")
    for line in list(unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm=""))[2:]:
        say(f"  {cell(line)}", {"+": "added", "-": "removed"}.get(line[0], "faint"))


def _told(value: Any) -> str:
    """What there is to tell beside the member's name."""
    if not isinstance(value, dict) or "type" in value:  # an actor has a type
        return f"  {cell(value)}"
    rest = list(value.items())[1:]
    return "".join(f"  {name}={cell(v)}" for name, v in rest if v not in (None, []))
