"""Declarative files: what they are taken to say, what is wrong with them, and that what was written is read back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iamledger.iam.refusals import InvalidInput
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.plans.reading import read_accounts
from iamledger.plans.writing import write_account
from iamledger.yaml_files import reading


def account(body: str) -> Account:
    """The one account of a file, from its members, each line indented by four."""
    (read,) = read_accounts("accounts:\n  acme:\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    return read


def document(written: str) -> Document:
    """A document as it stands after `document:`, its lines indented by six."""
    return account(f"policies:\n  p:\n    document: {written}").policies["p"].document


# What a file says


def test_all_that_a_file_can_say() -> None:
    said = account(
        """\
name: Acme Ltd.
email: root@acme.example
policies:
  ReadLogs:
    path: /logs/
    description: Reading logs
    document: '{}'
groups:
  Devs:
    path: /eng/
    policies: [ReadLogs, 'arn:aws:iam::aws:policy/ReadOnlyAccess']
    inline: {own: '{}'}
users:
  Alice:
    path: /eng/
    tags: {team: storage, Cost: ''}
    groups: [devs]
    policies: []
    inline:
    boundary: ReadLogs
  bob:"""
    )
    assert said == Account(
        "acme",
        "Acme Ltd.",
        "root@acme.example",
        {"readlogs": Policy("ReadLogs", Document("{}"), "/logs/", "Reading logs", 6)},
        {
            "devs": Group(
                "Devs", "/eng/", ["ReadLogs", "arn:aws:iam::aws:policy/ReadOnlyAccess"], {"own": Document("{}")}, 11
            )
        },
        {
            "alice": User("Alice", "/eng/", [("team", "storage"), ("Cost", "")], ["devs"], [], {}, "ReadLogs", 16),
            "bob": User("bob", line=23),
        },
        2,
    )


@pytest.mark.parametrize("null", ["", "~", "null", "{}"])
def test_what_is_not_said_is_not_empty_and_what_is_null_is(null: str) -> None:
    assert account(f"users: {null}") == Account("acme", line=2)
    silent = account("users: {alice: }").users["alice"]
    assert silent == User("alice", line=3)
    for member in ("tags", "groups", "policies", "inline"):
        assert getattr(silent, member) is None
        if null != "{}" or member in ("tags", "inline"):
            assert not getattr(account(f"users: {{alice: {{{member}: {null}}}}}").users["alice"], member)
    assert account("users: {alice: {boundary: null}}").users["alice"].boundary == NO_BOUNDARY
    assert account("users: {alice: {boundary: 'null'}}").users["alice"].boundary == "null"


@pytest.mark.parametrize(
    "name",
    ["no", "Yes", "on", "true", "017", "0x1F", "1_000", "1e3", "2026-11-24", "12:30:45", ".5", "=", "<<", "-", "@x"],
)
def test_a_name_is_the_text_that_it_looks_like(name: str) -> None:
    for written in (f"'{name}'", f'"{name}"', *([name] if name not in ("-", "@x") else [])):
        said = account(f"users: {{{written}: {{groups: [{written}], tags: {{{written}: {written}}}}}}}")
        assert said.users == {name.lower(): User(name, None, [(name, name)], [name], line=3)}


@pytest.mark.parametrize("name", ["null", "~", "Null", "NULL"])
def test_null_is_a_name_only_in_quotes(name: str) -> None:
    assert account(f"users: {{'{name}': }}").users[name.lower()].name == name
    with pytest.raises(InvalidInput, match="line 3, column 17: a text must stand here"):
        account(f"users:     {{{name}: }}")


@pytest.mark.parametrize("name", ["zoë", "😀", "\u2028", "\x85", "a b", "\ufeff", "\t", "\u202e", "x" * 5000])
def test_names_are_read_as_they_are_and_left_to_iam_to_refuse(name: str) -> None:
    written = json.dumps(name, ensure_ascii=not name.isprintable())
    assert account(f"users:\n  ? {written}\n  :\n").users[name.lower()].name == name


# Documents


def test_a_text_is_meant_to_the_letter() -> None:
    text = '{"a":  1,\n "b": 2}'
    block = document("|\n        " + text.replace("\n", "\n        "))
    assert block == Document(text + "\n")
    assert block.is_text(text + "\n")
    assert not block.is_text(text)
    assert not block.is_text('{"a": 1, "b": 2}\n')
    assert document("|-\n        " + text.replace("\n", "\n        ")).is_text(text)


@pytest.mark.parametrize(
    ("written", "content"),
    [
        ("{Version: 2012-10-17}", {"Version": "2012-10-17"}),
        ("{a: true, b: True, c: FALSE}", {"a": True, "b": True, "c": False}),
        ("{a: 'true', b: yes, c: no, d: on}", {"a": "true", "b": "yes", "c": "no", "d": "on"}),
        ("{a: 0, b: -1, c: 123456789012345678}", {"a": 0, "b": -1, "c": 123456789012345678}),
        ("{a: 017, b: 0x1F, c: 1_0, d: '7', e: +1, f: 1.5, g: .inf}",
         {"a": "017", "b": "0x1F", "c": "1_0", "d": "7", "e": "+1", "f": "1.5", "g": ".inf"}),
        ("{a: null, b: ~, c: , d: 'null', e: ''}", {"a": None, "b": None, "c": None, "d": "null", "e": ""}),
        ("{a: [x, [1], {b: []}]}", {"a": ["x", [1], {"b": []}]}),
        ("{a: 2026-11-24, b: 2026-11-24T04:24:03Z, c: 12:30:45}",
         {"a": "2026-11-24", "b": "2026-11-24T04:24:03Z", "c": "12:30:45"}),
        ("{a: 😀, <<: b, 1: c, true: d}", {"a": "😀", "<<": "b", "1": "c", "true": "d"}),
        (f"{{a: {'9' * 5000}}}", {"a": "9" * 5000}),
        ("{a: ٣}", {"a": "٣"}),
    ],
)  # fmt: skip
def test_yaml_is_meant_by_its_content(written: str, content: Any) -> None:
    said = document(written)
    assert json.loads(said.text) == content == said.content
    assert said.is_text(json.dumps(content, indent=7))
    assert said.is_text(json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    assert not said.is_text(json.dumps({**content, "other": 1}))
    assert not said.is_text("no JSON")
    assert not said.is_text("")


def test_true_is_not_one() -> None:
    assert not document("{a: true}").is_text('{"a": 1}')
    assert not document("{a: 0}").is_text('{"a": false}')
    assert not document("{a: [1]}").is_text('{"a": [true]}')
    assert not document("{a: 1}").is_text('{"a": 1.0}')


# What is wrong


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("account: {}", 1, 1, "did you mean accounts?"),
        ("users: {}", 1, 1, "the file can have no 'users'; it may have accounts"),
        ("{}", 1, 1, "there is no accounts:"),
        ("null", 1, 1, "there is no accounts:"),
        ("- a", 1, 1, "the file must be names"),
        ("text", 1, 1, "the file must be names"),
        ("accounts: []", 1, 11, "accounts must be names with a colon"),
        ("accounts: text", 1, 11, "accounts must be names"),
        ("accounts:\naccounts:", 2, 1, "'accounts' stands twice in the file"),
        ("accounts:\n  a:\n  b:\n  a:", 4, 3, "'a' stands twice in accounts"),
        ("accounts:\n  a: []", 2, 6, "account a must be names"),
        ("accounts:\n  a:\n    user: {}", 3, 5, "account a can have no 'user'; did you mean users?"),
        ("accounts:\n  a:\n    name:", 3, 10, "a text must stand here"),
        ("accounts:\n  a:\n    email: [x]", 3, 12, "a text must stand here"),
        ("accounts:\n  a:\n    users: [x]", 3, 12, "users must be names"),
        ("accounts: {a: {users: {x: {pth: /}}}}", 1, 28, "user x can have no 'pth'; did you mean path?"),
        ("accounts: {a: {users: {x: {zzz: /}}}}", 1, 28,
         "user x can have no 'zzz'; it may have boundary, groups, inline, path, policies, tags"),
        ("accounts: {a: {users: {x: {path: {}}}}}", 1, 34, "a text must stand here"),
        ("accounts: {a: {users: {x: {groups: devs}}}}", 1, 36, "a list must stand here"),
        ("accounts: {a: {users: {x: {groups: {devs: }}}}}", 1, 36, "a list must stand here"),
        ("accounts: {a: {users: {x: {groups: [[a]]}}}}", 1, 37, "a text must stand here"),
        ("accounts: {a: {users: {x: {groups: [~]}}}}", 1, 37, "a text must stand here"),
        ("accounts: {a: {users: {x: {tags: [a]}}}}", 1, 34, "tags must be names"),
        ("accounts: {a: {users: {x: {tags: {a: }}}}}", 1, 38, "a text must stand here"),
        ("accounts: {a: {users: {x: {tags: {a: [b]}}}}}", 1, 38, "a text must stand here"),
        ("accounts: {a: {users: {x: {tags: {a: b, a: c}}}}}", 1, 41, "'a' stands twice in tags"),
        ("accounts: {a: {users: {x: {tags: {Team: b, tEAM: c}}}}}", 1, 44, "'tEAM' stands twice in tags, since case"),
        ("accounts: {a: {users: {x: {boundary: [b]}}}}", 1, 38, "a text must stand here"),
        ("accounts: {a: {users: {[x]: }}}", 1, 24, "a text must stand here"),
        ("accounts: {a: {users: {x: , X: }}}", 1, 29, "'X' stands twice in users, since case does not count"),
        ("accounts: {a: {users: {x: , 'x': }}}", 1, 29, "'x' stands twice in users"),
        ("accounts: {a: {groups: {Ä: , ä: }}}", 1, 30, "stands twice in groups"),
        ("accounts:\n a:\n  policies:\n   p: {document: '{}'}\n   P:\n     document: '{}'", 5, 4, "'P' stands twice"),
        ("accounts: {a: {policies: {p: }}}", 1, 27, "the policy p has no document"),
        ("accounts:\n a:\n  policies:\n   p:\n     path: /", 4, 4, "the policy p has no document"),
        ("accounts: {a: {policies: {p: {document: }}}}", 1, 41, "a text must stand here"),
        ("accounts: {a: {policies: {p: {document: []}}}}", 1, 41, "a text must stand here"),
        ("accounts: {a: {policies: {p: {document: {a: 1, a: 2}}}}}", 1, 48, "'a' stands twice in the document"),
        ("accounts: {a: {policies: {p: {document: {~: 1}}}}}", 1, 42, "a text must stand here"),
        ("accounts: {a: {groups: {g: {inline: [x]}}}}", 1, 37, "inline must be names"),
        ("accounts: {a: {groups: {g: {tags: {}}}}}", 1, 29, "group g can have no 'tags'"),
        ("accounts: {a: {<<: {users: {}}}}", 1, 16, "account a can have no '<<'"),
        ("accounts: &a {}", 1, 11, "anchors"),
        ("accounts: {a: *a}", 1, 15, "anchors"),
        ("accounts: !!map {}", 1, 11, "tag"),
        ("accounts: {}\n---\naccounts: {}", 2, 1, "a second document"),
        ("accounts: {a: \x07}", 1, 15, "character '\\x07'"),
        ("accounts:\n  a: [", 3, 1, "acme.yaml"),
        ("accounts:\n\ta:", 2, 1, "cannot start any token"),
        ("accounts: {a: {policies: {p: {document: " + "{a: " * 97, 1, 421, "nested more than 100"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_column(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        read_accounts(text, "acme.yaml")
    assert str(wrong.value).startswith(f"acme.yaml, line {line}, column {column}: ")
    assert what in str(wrong.value)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "\ufeff"])
def test_an_empty_file_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^-: empty\. Write one with: iamledger export$"):
        read_accounts(text)


def test_no_accounts_are_none() -> None:
    assert read_accounts("accounts:") == []


def test_what_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="larger than 64 MB"):
        read_accounts("#" * (reading.LARGEST + 1))
    monkeypatch.setattr(reading, "LARGEST", 12)
    assert read_accounts("accounts: {}") == []
    with pytest.raises(InvalidInput, match=r"acme\.yaml: larger than 0 MB\. Split it by account\."):
        read_accounts("accounts: {} ", "acme.yaml")


def test_a_file_as_large_as_is_taken_is_read() -> None:
    text = "accounts:" + "\n# " + "x" * (reading.LARGEST - 12)
    assert len(text) == reading.LARGEST
    assert read_accounts(text) == []


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    _read_or_refuse(text)


PIECES = [
    *(
        "accounts",
        "a",
        "users",
        "groups",
        "policies",
        "document",
        "inline",
        "tags",
        "path",
        "boundary",
        "~",
        ": ",
        "{",
        "}",
    ),
    *(
        "[",
        "]",
        ", ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "'",
        '"',
        "|\n      ",
        "? ",
        "&a ",
        "*a ",
        "!!str ",
        "1",
        "😀",
        "\x00",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_anything_like_a_file_is_read_or_refused(text: str) -> None:
    _read_or_refuse("accounts: {a: {" + text)
    _read_or_refuse("accounts:\n  a:\n    " + text)
    _read_or_refuse(text)


def _read_or_refuse(text: str) -> None:
    with suppress(InvalidInput):
        read_accounts(text)


# Written and read back

texts = st.text(max_size=12)  # worse than any name that IAM allows
names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8) | st.sampled_from(
    [
        "no",
        "NULL",
        "~",
        "017",
        "2026-11-24",
        "=",
        "<<",
        "-",
        ",",
        "@x",
        "a=b",
        "+1",
        ".",
        "1.5",
        "0x1F",
        "true",
        "x" * 128,
    ]
)
LATIN = "".join(map(chr, [*range(0x20, 0x100), 9, 10, 13]))
HARD = ["\n", "\r\n", "\r", "  ", " ", "\t", "{", '"a": 1', "#", "---", "...", "- ", ": ", "\x85", "\xa0", "x" * 130]
documents = st.text(LATIN) | st.lists(st.sampled_from(HARD), max_size=12).map("".join)
paths = st.just("/") | st.text("abc/!~=:#'\"", max_size=8).map(lambda part: f"/{part}/")


def mapped(things: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Things by their names in lower case."""
    return st.lists(things, max_size=3).map(lambda found: {thing.name.lower(): thing for thing in found})


inline = st.dictionaries(names, documents.map(Document), max_size=2)
tags = st.dictionaries(names | texts, texts, max_size=3).filter(lambda d: len({k.lower() for k in d}) == len(d))
accounts = st.builds(
    Account,
    names,
    st.none() | texts,
    st.none() | texts,
    mapped(st.builds(Policy, names, documents.map(Document), paths, st.none() | texts)),
    mapped(st.builds(Group, names, paths, st.lists(names, max_size=3), inline)),
    mapped(
        st.builds(
            User,
            names,
            paths,
            tags.map(lambda found: list(found.items())),
            st.lists(names, max_size=3),
            st.lists(names, max_size=3),
            inline,
            st.just(NO_BOUNDARY) | names,
        )
    ),
)


@given(accounts)
def test_what_was_written_is_read_back(written: Account) -> None:
    (read,) = read_accounts(write_account(written))
    assert _without_lines(read) == _without_lines(written)


@pytest.mark.parametrize(
    "form", ["{}", "a{}", "{}a", "a{}b", " {} ", "a\n{}\n", "a\n {}b", "\n{}", "{}\n", "  a\n{}\n\n"]
)
def test_every_character_of_a_document_is_kept(form: str) -> None:
    texts = [form.replace("{}", character) for character in [*LATIN, "\r\n"]]
    policies = {f"p{n}": Policy(f"p{n}", Document(text), description=text) for n, text in enumerate(texts)}
    (read,) = read_accounts(write_account(Account("acme", policies=policies)))
    assert [policy.document.text for policy in read.policies.values()] == texts
    assert [policy.description for policy in read.policies.values()] == texts


def test_a_document_of_several_lines_is_written_as_a_block() -> None:
    text = '{\n  "Version": "2012-10-17",\n\n  "Statement": []\n}\n'
    written = write_account(Account("acme", policies={"p": Policy("p", Document(text))}))
    assert "document: |\n" in written
    assert '  "Version": "2012-10-17",\n' in written


def test_own_policies_are_written_by_name_and_others_by_arn() -> None:
    own, other, of_aws = (f"arn:aws:iam::{whose}:policy/x/P" for whose in ("123456789012", "210987654321", "aws"))
    user = User("u", "/", (), (), [own, other, of_aws], {}, own)
    (read,) = read_accounts(write_account(Account("123456789012", users={"u": user})))
    assert read.users["u"].policies == ["P", other, of_aws]
    assert read.users["u"].boundary == "P"
    group = Group("g", "/", [own, of_aws], {})
    (read,) = read_accounts(write_account(Account("123456789012", groups={"g": group})))
    assert read.groups["g"].policies == ["P", of_aws]


def _without_lines(of: Account) -> Any:
    def plain(thing: Policy | Group | User) -> dict[str, Any]:
        return {name: getattr(thing, name) for name in thing.__slots__ if name != "line"}

    kinds = (of.policies, of.groups, of.users)
    return (of.key, of.name, of.email, *({name: plain(thing) for name, thing in kind.items()} for kind in kinds))
