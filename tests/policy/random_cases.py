"""Random cases in the form of the vectors, from pools so small that policies and requests meet often."""

from __future__ import annotations

from random import Random
from typing import Any

ACCOUNT, OTHER = "111122223333", "444455556666"
CALLERS: list[dict[str, Any]] = [
    {"arn": f"arn:aws:iam::{ACCOUNT}:user/a/alice", "unique_id": "AIDACKCEVSQ6C2EXAMPLE", "canonical_user": "c" * 64},
    {"arn": f"arn:aws:iam::{ACCOUNT}:user/bob"},
    {"arn": f"arn:aws:iam::{ACCOUNT}:root"},
    {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run", "unique_id": "AROADBQP57FF2AEXAMPLE"},
    {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/run", "issuer": f"arn:aws:iam::{ACCOUNT}:role/ci/deployer"},
    {"arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob", "issuer": f"arn:aws:iam::{ACCOUNT}:user/bob"},
    {"arn": f"arn:aws:iam::{OTHER}:user/bob"},
    {"service": "ec2.amazonaws.com"},
    {"federated": "accounts.google.com"},
    {"anonymous": True},
]
IDS = [
    *(
        f"arn:aws:iam::{ACCOUNT}:{name}"
        for name in ("user/a/alice", "user/bob", "root", "role/deployer", "role/ci/deployer")
    ),
    *(f"arn:aws:sts::{ACCOUNT}:{name}" for name in ("assumed-role/deployer/run", "federated-user/bob")),
    *(ACCOUNT, OTHER, f"arn:aws:iam::{OTHER}:user/bob", "*", "AIDACKCEVSQ6C2EXAMPLE", "AROADBQP57FF2AEXAMPLE"),
]
ACTIONS = ["s3:GetObject", "s3:PutObject", "S3:getobject", "iam:GetUser", "sts:AssumeRole"]
ACTION_PATTERNS = [
    *ACTIONS,
    "*",
    "s3:*",
    "s3:Get*",
    "s3:?etObject",
    "*:*",
    "iam:*",
    "s3:*t*ect",
    "s3:GetObject?",
    "S3:*OBJECT",
]
RESOURCES = [
    *(
        f"arn:aws:s3:::{name}"
        for name in ("a", "a/b", "a/alice/b", "a/b:c", "b/a", "a/*/b", "a/alice", "b/alice/b/x", "")
    ),
    *("arn:aws:sqs:eu-west-1:111122223333:a", "arn:aws:sqs:us:1:a:b", "*", "arn:aws:s3:::a/\nb"),
]
VARIABLES = ["${aws:u}", "${AWS:U}", "${aws:u, 'b'}", "${*}", "${?}", "${$}", "${aws:l}", "${aws:m, ''}"]
SCALARS: dict[str, list[Any]] = {
    "String": ["a", "A", "ab", "alice", "", "*", "a*", 5, True, "\u00e4"],
    "Numeric": ["5", "5.0", "6", 5, "-1", "1e1", "10", "05", "5abc", "", "0.1"],
    "Date": [
        "2026-11-24",
        "2026",
        "2026-11-24T01:00:00+01:00",
        "1795478400",
        1795478400,
        "2026-11-24T00:00:00.5Z",
        "x",
    ],
    "Bool": ["true", "false", "TRUE", True, False, "1", "x"],
    "Binary": ["QQ==", "QR==", "QUJD", "Q", ""],
    "Ip": ["10.0.0.1", "10.0.0.0/8", "10.1.0.0/16", "::1", "2001:db8::/32", "2001:DB8::1", "0.0.0.0/0", "::/0", "x"],
    "Arn": [
        *("arn:aws:s3:::a", "arn:aws:s3:::a/b:c", "arn:aws:iam::111122223333:user/alice", "a", "arn:aws:iam::x"),
        "arn:aws:sqs:eu-west-1:1:q",
    ],
}
WANTED: dict[str, list[Any]] = {
    "String": [*SCALARS["String"], "a?", "*l*e", "?", "${aws:u}", "a${aws:u}*", "${aws:l}", "${aws:m, 'a'}", "${*}"],
    "Numeric": ["5", "5.0", "6", 5, "-1", "1e1", "0.1"],
    "Date": ["2026-11-24", "2026", "2026-11-24T01:00:00+01:00", 1795478400, "2026-11-24T00:00:00.5Z"],
    "Bool": ["true", "false", "True", True, False, "${aws:u}", "${aws:b, 'true'}"],
    "Binary": ["QQ==", "QUJD", ""],
    "Ip": ["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0"],
    "Arn": [
        *(
            "*",
            "arn:aws:s3:::a",
            "arn:aws:s3:::a*",
            "arn:aws:iam::*",
            "arn:aws:*:*:*:*",
            "arn:aws:s3:*:*:*c",
            "arn:a*:s3:::?",
        ),
        *("arn:aws:iam::1*3:user/${aws:u}", "arn:aws:sqs:*:?:q", "${aws:arn}"),
    ],
}
COMPARISONS = {
    "String": [
        *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
        *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    ],
    "Numeric": [f"Numeric{c}" for c in ("Equals", "NotEquals", "LessThan", "GreaterThanEquals")],
    "Date": [f"Date{c}" for c in ("Equals", "NotEquals", "LessThanEquals", "GreaterThan")],
    "Bool": ["Bool"],
    "Binary": ["BinaryEquals"],
    "Ip": ["IpAddress", "NotIpAddress"],
    "Arn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
}


def policies(random: Random) -> dict[str, Any]:
    """The policies of a case."""
    made: dict[str, Any] = {"identity": [document(random) for _ in range(random.choice([0, 1, 1, 2]))]}
    if random.random() < 0.3:
        made["boundary"] = document(random)
    if random.random() < 0.3:
        made["session"] = [document(random) for _ in range(random.randint(0, 2))]
    if random.random() < 0.6:
        kind = random.choice(["resource", "resource", "trust"])
        made[kind] = document(random, kind)
    if random.random() < 0.3:
        made["service_control"] = [[document(random) for _ in range(random.choice([0, 1, 1, 2]))] for _ in range(2)]
    if random.random() < 0.2:
        made["resource_control"] = [[document(random, "resource control")], []]
    return made


def request(random: Random) -> dict[str, Any]:
    """All of a case except for its policies."""
    made = {
        "caller": random.choice(CALLERS),
        "action": random.choice(ACTIONS),
        "resource": random.choice(RESOURCES),
        "context": context(random),
    }
    if random.random() < 0.5:
        made["resource_account"] = random.choice([ACCOUNT, ACCOUNT, OTHER])
    return made


def context(random: Random) -> dict[str, Any]:
    """Condition keys with values, of which some are missing, and some of a wrong type."""
    made: dict[str, Any] = {}
    for key in ("aws:u", "aws:b", "aws:arn"):
        if random.random() < 0.7:
            made[random.choice([key, key.upper()])] = random.choice(
                ["alice", "*", "b", "", "true", "a:b", "arn:aws:s3:::a"]
            )
    for family, values in SCALARS.items():
        if random.random() < 0.8:
            made[f"aws:{family}"] = random.choice(values)
    if random.random() < 0.8:
        family = random.choice(list(SCALARS))
        made["aws:l"] = random.choices(SCALARS[family], k=random.randint(0, 3))
    return made


def document(random: Random, kind: str = "identity") -> dict[str, Any]:
    """A policy document."""
    version = random.choice(["2012-10-17"] * 4 + ["2008-10-17", None])
    variables = version == "2012-10-17"
    statements = [statement(random, kind, variables) for _ in range(random.choice([1, 2, 3, 3, 12]))]
    return {**({"Version": version} if version else {}), "Statement": statements}


def statement(random: Random, kind: str, variables: bool) -> dict[str, Any]:
    """A statement."""
    made: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Allow", "Deny"])}
    action, resource = (
        random.choice(["Action", "Action", "NotAction"]),
        random.choice(["Resource", "Resource", "NotResource"]),
    )
    if kind == "resource control":
        made |= {"Effect": "Deny", "Principal": "*", "Action": random.choice(ACTION_PATTERNS)}
        action = "Action"
    elif kind in ("resource", "trust"):
        made[random.choice(["Principal", "Principal", "NotPrincipal"])] = principal(random)
    patterns = ["sts:*", "sts:AssumeRole", "sts:Assume*"] if kind == "trust" else ACTION_PATTERNS
    made[action] = random.choices(patterns, k=random.choice([1, 1, 2]))
    if kind != "trust":
        made[resource] = [pattern(random, variables) for _ in range(random.choice([1, 1, 2]))]
    if random.random() < 0.5:
        made["Condition"] = conditions(random, variables)
    return made


def principal(random: Random) -> Any:
    """Whom a statement of a resource policy is about."""
    if random.random() < 0.1:
        return "*"
    made: dict[str, Any] = {"AWS": random.choices(IDS, k=random.choice([1, 1, 2]))}
    if random.random() < 0.2:
        made = {"Service": "ec2.amazonaws.com", "Federated": "accounts.google.com", "CanonicalUser": "c" * 64}
    return made


def pattern(random: Random, variables: bool) -> str:
    """A pattern of resources: a resource with pieces replaced, so that it often matches."""
    if random.random() < 0.1:
        return "*"
    base = random.choice([r for r in RESOURCES if r.startswith("arn") and "\n" not in r and not r.endswith(":")])
    parts = base.split(":", 5)
    if random.random() < 0.3:
        parts[random.choice([3, 4])] = random.choice(["*", "eu*", "?", "e*1", "*?", "1*3"])
    if random.random() < 0.1:
        parts[1] = random.choice(["a*", "aw?", "*", "aws*"])
    sixth = parts[5]
    for _ in range(random.randint(0, 3)):
        at = random.randint(0, len(sixth))
        pieces = ["*", "?", "", "/", "*?", "?b*"] + (VARIABLES if variables else ["${aws:u}"])
        sixth = sixth[:at] + random.choice(pieces) + sixth[at + random.choice([0, 1, 1, 5]) :]
    if "${" in sixth and sixth.count("${") != sum(sixth.count(v) for v in {*VARIABLES, "${aws:u}"}):
        sixth = "*"  # a variable was cut apart
    if random.random() < 0.05:
        return ":".join(parts[:4]) + ":*"
    return ":".join(parts[:5]) + ":" + (sixth or "*")


def conditions(random: Random, variables: bool) -> dict[str, Any]:
    """Conditions."""
    made: dict[str, Any] = {}
    for _ in range(random.choice([1, 1, 2])):
        if random.random() < 0.1:
            made["Null"] = {random.choice(["aws:u", "AWS:L", "aws:none"]): random.choice(["true", False])}
            continue
        family = random.choice(list(COMPARISONS))
        name = random.choice(["", "", "ForAllValues:", "ForAnyValue:"]) + random.choice(COMPARISONS[family])
        values = [value for value in WANTED[family] if variables or "${" not in str(value)]
        key = random.choice([f"aws:{family}", f"aws:{family}", f"AWS:{family.lower()}", "aws:l", "aws:none"])
        made[name + random.choice(["", "", "IfExists"])] = {key: random.choices(values, k=random.choice([1, 1, 2]))}
    return made


def of_resource(random: Random, principals: list[Any]) -> dict[str, Any]:
    """A statement of the policy of a resource, about some of the principals."""
    made = statement(random, "identity", variables=True)
    made[random.choice(["Principal", "Principal", "Principal", "NotPrincipal"])] = random.choice(principals)
    if random.random() < 0.4:
        made.pop("Condition", None)
    if random.random() < 0.2:
        made.pop("Resource", None), made.pop("NotResource", None)
    return made
