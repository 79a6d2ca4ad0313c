"""Cells of answers about access, and how tables are folded."""

from __future__ import annotations

import io
import os
from unicodedata import east_asian_width

import pytest

from cli.conftest import Program
from iamledger.cli import output
from iamledger.cli.cells import merged, statement_cell


def test_what_differs_is_not_merged_however_much_is_alike() -> None:
    alike = [f"s3:Get{n}" for n in range(20)]
    rows = [
        {"UserName": name, "Action": action, "Resource": "*"}
        for name, last in (("u1", "sts:AssumeRole"), ("u2", "sqs:SendMessage"), ("u3", "sqs:SendMessage"))
        for action in (*alike, last)
    ]
    told = merged(merged(rows, "Action"), "UserName")
    assert [(row["UserName"], row["Action"].rpartition(" ")[2]) for row in told] == [
        ("u1", "sts:AssumeRole"),
        ("u2, u3", "sqs:SendMessage"),
    ]
    assert all(action in row["Action"] for row in told for action in alike)


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "ReadOnlyAccess (AWS) v1, statement 2"),
        ("arn:aws:iam::123456789012:policy/ReadOnlyAccess", "ReadOnlyAccess v1, statement 2"),
    ],
)
def test_a_policy_of_the_account_is_not_taken_for_one_of_aws(arn: str, told: str) -> None:
    row = {"PolicyName": "ReadOnlyAccess", "PolicyArn": arn, "PolicyVersion": "v1", "Statement": 2, "Sid": None}
    assert statement_cell(row) == told


@pytest.mark.parametrize("columns", [60, 92, 140])
def test_identifiers_stay_whole_beside_wide_characters(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    key, reason = "AKIAZVTPRSQMF245IJYV", "四半期の見直しに伴う担当者の交代、および鍵の更新" * 2
    printed = io.StringIO()
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 40)))
    monkeypatch.setattr("sys.stdout", printed)
    output.print_table([{"AccessKeyId": key, "Reason": reason, "Ticket": "OPS-1"}], ("AccessKeyId", "Reason", "Ticket"))
    lines = printed.getvalue().splitlines()
    assert any(key in line for line in lines)
    assert "".join(c for c in printed.getvalue() if east_asian_width(c) == "W") == reason
    assert all(sum(2 if east_asian_width(c) == "W" else 1 for c in line) <= columns for line in lines)


def test_an_exported_file_steers_no_terminal(program: Program) -> None:
    program.did("account", "create", "acme", "--email", "root@acme.example")
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
    (program.folder / "p.json").write_text(document)
    description = "safe \u202etxet\u2066 \u200f end"
    program.did("policy", "create", "rtl", "p.json", "--description", description)
    exported = program("export").out
    assert all(c.isprintable() or c == "\n" for c in exported)
    (program.folder / "acme.yaml").write_text(exported)
    assert "\\u202E" in exported
    assert program("plan", "acme.yaml", "--exit-code").status == 0, "it reads back the same"
