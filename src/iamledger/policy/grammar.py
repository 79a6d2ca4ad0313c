"""The grammar of a policy document.

    document  = { Version?, Id?, Statement: a statement or a non-empty array of them }
    statement = { Sid?, Effect, Principal or NotPrincipal, Action or NotAction, Resource or NotResource, Condition? }

Names of elements are exact, upper and lower case. All problems are told, not only the first, unless the text is not even
JSON. Where a version is written that does not exist, variables are not looked at: nobody knows whether there are any.

Sources: "Grammar of the IAM JSON policy language" and "IAM JSON policy element reference" of the IAM User Guide.
"""

from __future__ import annotations

from iamledger.policy.characters import LONGEST, check_characters
from iamledger.policy.document import PolicyDocument, Version
from iamledger.policy.elements import members, one_of, text
from iamledger.policy.json_places import Array, Object, Value, read
from iamledger.policy.kinds import Kind
from iamledger.policy.problems import EnoughProblems, Problems
from iamledger.policy.statements import Statements

VERSIONS: tuple[Version, ...] = ("2012-10-17", "2008-10-17")


def parse(text: str, kind: Kind = Kind.IDENTITY) -> PolicyDocument:
    """Read a policy document. Raises PolicyError, which tells all that is wrong with it and where."""
    problems = Problems(text[: LONGEST + 1])
    document = None
    try:
        if check_characters(text, problems) and (root := read(text, problems)) is not None:
            document = _document(root, kind, problems)
    except EnoughProblems:
        pass
    if problems or document is None:
        raise problems.error()
    return document


def _document(root: Value, kind: Kind, problems: Problems) -> PolicyDocument | None:
    elements = members(root, ("Version", "Id", "Statement"), "a policy document", problems)
    version: Version | None = "2008-10-17"
    if "Version" in elements:
        version = one_of(VERSIONS, elements["Version"], "version of the policy language", problems)
    identifier = text(elements["Id"], problems) if "Id" in elements else None
    if "Statement" not in elements:
        if isinstance(root, Object):
            problems.add(root.offset, root.path, "a policy document needs the element Statement")
        return None
    node = elements["Statement"]
    nodes = node.items if isinstance(node, Array) else (node,)
    if not nodes:
        problems.add(node.offset, node.path, "a policy document needs at least one statement")
    reader = Statements(kind, problems, variables=version == "2012-10-17")
    statements = tuple(filter(None, map(reader.read, nodes)))
    return PolicyDocument(kind, version, identifier, statements) if version else None
