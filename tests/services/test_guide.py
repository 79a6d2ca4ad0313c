"""docs/services.md: its service can be read, its policy has the finding that it shows, and its table is whole."""

from __future__ import annotations

import re
from pathlib import Path

from iamledger.policy.lint import CODES, lint
from iamledger.services import Catalogue

GUIDE = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


def block(language: str) -> str:
    """The one block of the guide in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_service_and_its_policy(tmp_path: Path) -> None:
    (tmp_path / "warehouse.yaml").write_text(block("yaml"))
    catalogue = Catalogue([tmp_path])
    assert catalogue.actions_matching("warehouse:*Items") == ["warehouse:ListItems"]
    (finding,) = lint(block("json"), services=catalogue)
    told = f"warehouse.json:{finding.line}:{finding.column}: {finding.severity}: {finding.message}; {finding.advice}"
    assert f"```\n{told} [{finding.code}]\n```" in GUIDE


def test_the_table_has_every_code() -> None:
    rows = re.findall(r"^\| `(.*)` \| (.*) \| (.*) \|$", GUIDE, re.MULTILINE)
    assert rows == [(code, severity.value, about) for code, (severity, about) in CODES.items()]
