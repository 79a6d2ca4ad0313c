"""Who makes a request, and by which of the names in a resource policy a grant reaches them.

What a grant by a resource policy passes over, within one account, depends on the name that it uses:

- the account, by its id, its `:root` or its canonical user: it delegates only (rule 13);
- the role's ARN: an identity Allow is not needed; boundary and session policy limit the grant (rule 12). `*` is taken like
  that (rule 14, which does not say what limits it (?)), and so is Allow with NotPrincipal (?);
- the user's ARN: the boundary's implicit deny does not matter either (rule 10). So it is for a federated user's session if
  the user is named (?);
- the session's ARN: nor does the session policy's (rule 11).

The unique id of a user or role does what its ARN does (?). ARNs are exact, with case (rule 17). A group is never a caller
(rule 18). Service principals, identity providers and anonymous callers have the resource policy alone (rules 14 and 15).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from iamledger.policy.substitution import Fact, Facts


class Grant(IntEnum):
    """What a grant by a resource policy passes over: each passes over what those before it do."""

    NONE = 0
    DELEGATES = 1
    PASSES_IDENTITY = 2
    PASSES_BOUNDARY = 3
    PASSES_SESSION = 4


Names = tuple[tuple[str, Grant], ...]
"""Names as `TYPE ID`, such as `AWS 123456789012`, with what a grant to them passes over; the best ones first."""

_EVERYBODY = ("AWS *", Grant.PASSES_IDENTITY)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `account` is None for those who belong to none, and whom identity policies cannot reach.

    `facts` are context keys that go with the caller, in lower case; a request's own context comes before them.
    """

    arn: str | None
    account: str | None
    names: Names
    is_root: bool = False
    facts: Facts = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls,
        arn: str,
        *,
        issuer: str | None = None,
        unique_id: str | None = None,
        canonical_user: str | None = None,
        context: Mapping[str, Fact] | None = None,
    ) -> Caller:
        """The user, role, session or root of an ARN. Raises ValueError if it has not six parts.

        `issuer` is the ARN of a session's role or user; without it, that of a role without a path, and of no user.
        `unique_id` is that of the user or role (`AIDA...`, `AROA...`), `canonical_user` the account's.
        """
        _, partition, service, _, account, resource = arn.split(":", 5)
        facts = {key.lower(): value for key, value in (context or {}).items()}
        if not account.isdecimal():  # such as CloudFront's own users
            return cls(arn, None, ((f"AWS {arn}", Grant.PASSES_SESSION), _EVERYBODY), facts=facts)
        kind, _, name = resource.partition("/")
        is_session = service == "sts"
        if kind == "assumed-role" and issuer is None:
            issuer = f"arn:{partition}:iam::{account}:role/{name.partition('/')[0]}"
        lasting = issuer if is_session else arn
        grant = Grant.PASSES_BOUNDARY if lasting and ":user/" in lasting else Grant.PASSES_IDENTITY
        names = [(f"AWS {arn}", Grant.PASSES_SESSION)] if is_session else []
        if resource != "root":
            names += [(f"AWS {name}", grant) for name in (lasting, unique_id) if name]
        names.append(_EVERYBODY)
        names += [(f"AWS {name}", Grant.DELEGATES) for name in (account, f"arn:{partition}:iam::{account}:root")]
        if canonical_user:
            names.append((f"CanonicalUser {canonical_user}", Grant.DELEGATES))
        return cls(arn, account, tuple(names), resource == "root", facts)

    @classmethod
    def service(cls, name: str) -> Caller:
        """A service, such as `ec2.amazonaws.com`."""
        return cls(None, None, ((f"Service {name}", Grant.PASSES_SESSION), _EVERYBODY))

    @classmethod
    def federated(cls, provider: str) -> Caller:
        """Who comes with an identity provider's word, such as `accounts.google.com` or the ARN of a provider."""
        return cls(None, None, ((f"Federated {provider}", Grant.PASSES_SESSION), _EVERYBODY))

    def grant(self, principals: Collection[str]) -> Grant:
        """What a grant to some principals, named `TYPE ID`, passes over for this caller: the most that one of them does."""
        for name, grant in self.names:
            if name in principals:
                return grant
        return Grant.NONE


ANONYMOUS = Caller(None, None, (_EVERYBODY,))
"""Who has signed nothing: `*` matches them (rule 14)."""
