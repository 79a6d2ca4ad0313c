"""A team's own services: what a file says, what is wrong with one, and where files are looked for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from iamledger.iam.refusals import InvalidInput
from iamledger.policy.lint import lint
from iamledger.policy.services import Action, ActionResource, ConditionKey, ResourceType, Service
from iamledger.services import Catalogue
from iamledger.settings import settings

WAREHOUSE = """\
service: warehouse
name: The warehouse
actions:
  GetItem:
    access_level: Read
    description: Look at an item
    resource_types: [item]
    condition_keys: ['warehouse:aisle', 'aws:ResourceTag/${TagKey}']
  ListItems:
    access_level: List
  MoveItem:
    access_level: Write
    resource_types: [Item]
    dependent_actions: [warehouse:GetItem]
resource_types:
  item:
    arn: arn:${Partition}:warehouse:${Region}:${Account}:item/${ItemId}
    condition_keys: ['warehouse:ItemTag/${TagKey}']
condition_keys:
  warehouse:Aisle:
    type: Numeric
    description: Where it stands
  warehouse:ItemTag/${TagKey}: {}
"""


def catalogue(folder: Path, text: str, name: str = "warehouse.yaml") -> Catalogue:
    """A catalogue with a file of a folder."""
    (folder / name).write_text(text, "utf-8")
    return Catalogue([folder])


def test_all_that_a_file_can_say(tmp_path: Path) -> None:
    assert catalogue(tmp_path, WAREHOUSE).service("Warehouse") == Service(
        "warehouse",
        "The warehouse",
        str(tmp_path / "warehouse.yaml"),
        {
            "getitem": Action(
                *("GetItem", "Read", "Look at an item"),
                (ActionResource("item"),),
                ("warehouse:Aisle", "aws:ResourceTag/${TagKey}"),
            ),
            "listitems": Action("ListItems", "List"),
            "moveitem": Action(
                "MoveItem", "Write", resources=(ActionResource("item"),), dependent_actions=("warehouse:GetItem",)
            ),
        },
        {
            "item": ResourceType(
                "item",
                ("arn:${Partition}:warehouse:${Region}:${Account}:item/${ItemId}",),
                ("warehouse:ItemTag/${TagKey}",),
            )
        },
        {
            "warehouse:aisle": ConditionKey("warehouse:Aisle", "Numeric", "Where it stands"),
            "warehouse:itemtag/${tagkey}": ConditionKey("warehouse:ItemTag/${TagKey}", "String"),
        },
    )


def test_a_name_is_the_prefix_if_there_is_none(tmp_path: Path) -> None:
    found = catalogue(tmp_path, "service: warehouse\nactions: {A: {access_level: Read}}").service("warehouse")
    assert found is not None
    assert found.name == "warehouse"


def policy(action: str, resource: str, condition: str = "") -> str:
    """A policy about the warehouse."""
    statement = f'"Effect": "Deny", "Action": "warehouse:{action}", "Resource": "{resource}"'
    return f'{{"Version": "2012-10-17", "Statement": {{{statement}{condition}}}}}'


ITEM = "arn:aws:warehouse:eu-west-1:123456789012:item/7"


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        (policy("GetItem", ITEM), []),
        (policy("Get*", ITEM), []),
        (policy("GetItems", ITEM), ["unknown-action"]),
        (policy("GetItem", "arn:aws:warehouse:eu-west-1:123456789012:shelf/7"), ["unknown-resource"]),
        (policy("ListItems", ITEM), ["unsupported-resource"]),
        (policy("ListItems", "*"), []),
        (policy("GetItem", ITEM, ', "Condition": {"NumericLessThan": {"warehouse:Aisle": "7"}}'), []),
        (policy("GetItem", ITEM, ', "Condition": {"StringEquals": {"warehouse:ItemTag/a": "7"}}'), []),
        (
            policy("GetItem", ITEM, ', "Condition": {"StringEquals": {"warehouse:Isle": "7"}}'),
            ["unknown-condition-key"],
        ),
        (
            policy("MoveItem", ITEM, ', "Condition": {"Null": {"warehouse:Aisle": "true"}}'),
            ["unsupported-condition-key"],
        ),
    ],
)
def test_policies_about_it_are_linted_like_any_other(tmp_path: Path, document: str, codes: list[str]) -> None:
    findings = lint(document, services=catalogue(tmp_path, WAREHOUSE))
    assert [finding.code for finding in findings] == codes


def changed(before: str, after: str) -> str:
    """The file of the warehouse, with something else in it."""
    assert before in WAREHOUSE
    return WAREHOUSE.replace(before, after)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty. Describe a service"),
        ("# nothing\n", "empty. Describe a service"),
        ("[]", "line 1, column 1: the file must be names with a colon"),
        ("service: warehouse\n", "line 1, column 1: there is no actions:"),
        ("actions: {A: {access_level: Read}}", "line 1, column 1: there is no service:"),
        ("service: warehouse\nactions: {}\n", "line 2, column 10: a service has at least one action"),
        (changed("service: warehouse", "service: store"), "line 1, column 10: the service is store, so the file must be"),
        (changed("service: warehouse", "service: Ware house"), "column 10: 'Ware house' is no prefix of actions"),
        (changed("name:", "nmae:"), "line 2, column 1: the file can have no 'nmae'; did you mean name?"),
        (changed("access_level: Read", "access_level: Reed"), "column 19: 'Reed' is no access level; did you mean Read"),
        (changed("    access_level: Read\n", ""), "line 4, column 3: the action GetItem has no access_level; write"),
        (changed("  GetItem:", "  warehouse:GetItem:"), "line 4, column 3: 'warehouse:GetItem' is no name of an action"),
        (changed("  ListItems:", "  getitem:"), "line 9, column 3: 'getitem' stands twice in actions"),
        (changed("[item]", "[itme]"), "line 7, column 22: the file does not describe 'itme'; did you mean item?"),
        (changed("[item]", "item"), "line 7, column 21: a list must stand here"),
        (changed("'warehouse:aisle'", "warehouse:Door"), "column 22: the file does not describe 'warehouse:Door'"),
        (changed("arn:${Partition}:warehouse", "arn:${Partition:warehouse"), "is no partition"),
        (changed("arn: arn:${Partition}:warehouse:", "arn: arn:${Partition}:"), "is no form of ARNs; write arn:"),
        (changed("    arn: arn:${Partition}", "    arn: urn:${Partition}"), "is neither an ARN nor *"),
        (changed("type: Numeric", "type: Number"), "line 21, column 11: 'Number' is no type of condition keys; did"),
        (changed("  warehouse:Aisle:", "  Aisle:"), "line 20, column 3: 'Aisle' is no condition key"),
        (changed("  warehouse:Aisle:", "  warehouse:*:"), "line 20, column 3: 'warehouse:*' is no condition key"),
        (WAREHOUSE + "\tx: 1\n", "line 24, column 1: "),
        (WAREHOUSE + "more: &a [*a]\n", "anchors and aliases are not taken"),
        ("service: warehouse\nactions: {A: {access_level: [Read]}}", "line 2, column 29: a text must stand here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        catalogue(tmp_path, text).service("warehouse")
    assert str(refused.value).startswith(str(tmp_path / "warehouse.yaml"))
    assert told in str(refused.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "warehouse.yaml").write_bytes(b"service: \xff")
    with pytest.raises(InvalidInput, match=r"warehouse\.yaml: byte 10 is no UTF-8"):
        Catalogue([tmp_path]).service("warehouse")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "folder", "gone"):
        with pytest.raises(InvalidInput, match=f"{name}.yaml is no file"):
            Catalogue([tmp_path]).service(name)


def test_deep_and_large_files_are_refused_quickly(tmp_path: Path) -> None:
    began = time.process_time()
    for text in ("[" * 100_000, "a: " * 50_000, "service: " + "{a: " * 10_000):
        with pytest.raises(InvalidInput):
            catalogue(tmp_path, text).service("warehouse")
    assert time.process_time() - began < 2


def test_a_wrong_file_hurts_nobody_who_does_not_ask_for_it(tmp_path: Path) -> None:
    found = catalogue(tmp_path, "nonsense")
    assert found.canonical("s3:getobject") == "s3:GetObject"
    assert "warehouse" in found.prefixes()
    with pytest.raises(InvalidInput):
        list(found.summaries())


# Where files are looked for


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a service")
    (tmp_path / "warehouse.yaml~").write_text("not one either")
    assert Catalogue([tmp_path]).prefixes() == Catalogue().prefixes()


def test_a_file_may_be_called_yml(tmp_path: Path) -> None:
    assert catalogue(tmp_path, WAREHOUSE, "Warehouse.YML").canonical("warehouse:getitem") == "warehouse:GetItem"


def test_a_service_is_described_once(tmp_path: Path) -> None:
    (tmp_path / "warehouse.yml").write_text(WAREHOUSE)
    with pytest.raises(InvalidInput, match=r"the service warehouse is described by .*warehouse\.yaml already"):
        catalogue(tmp_path, WAREHOUSE).prefixes()


def test_iamledgers_own_prefix_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the service iamledger is described by"):
        catalogue(tmp_path, WAREHOUSE, "iamledger.yaml").prefixes()


def test_the_prefix_of_global_keys_is_no_service(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="aws: is the prefix of condition keys that all services have"):
        catalogue(tmp_path, changed("service: warehouse", "service: aws"), "aws.yaml").service("aws")


def test_an_own_service_takes_the_place_of_one_of_aws(tmp_path: Path) -> None:
    found = catalogue(tmp_path, changed("service: warehouse", "service: sqs"), "sqs.yaml")
    assert found.actions_matching("sqs:*") == ["sqs:GetItem", "sqs:ListItems", "sqs:MoveItem"]
    assert {"sqs": str(tmp_path / "sqs.yaml"), "s3": "AWS", "iamledger": "iamledger"}.items() <= {
        prefix: source for prefix, _, source in found.summaries()
    }.items()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"IAMLEDGER_SERVICES: there is no folder .*nowhere"):
        Catalogue([tmp_path / "nowhere"]).service("s3")


def test_folders_come_from_the_home_and_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAMLEDGER_HOME", str(tmp_path))
    monkeypatch.delenv("IAMLEDGER_SERVICES", raising=False)
    assert settings().service_folders == ()
    (tmp_path / "services").mkdir()
    assert settings().service_folders == (tmp_path / "services",)
    monkeypatch.setenv("IAMLEDGER_SERVICES", f"{tmp_path}/a::{tmp_path}/b")
    assert settings().service_folders == (tmp_path / "services", tmp_path / "a", tmp_path / "b")
