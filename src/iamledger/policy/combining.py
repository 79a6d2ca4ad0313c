"""How what the layers say becomes a decision, when none of them denies explicitly.

- An Allow of the identity side, or of the resource side, is enough within one account; a role's trust policy must allow too
  (rule 7). Across accounts both are needed, and what a resource policy passes over does not count (rule 8).
- Boundary and session policies intersect (rule 9), as far as the grant does not pass over them (rules 10 to 14).
- The root is implicitly allowed (rule 3): as if by an identity policy, so that across accounts the resource side is still
  needed, and a session policy still limits (?).
- Within one account the resource-based policy is told as a reason for trust policies only, since an identity policy would do
  otherwise (?). An allowed request is told as the resource-based policy's if that grants by itself or is needed, else as the
  identity-based policies' (?).
"""

from __future__ import annotations

from iamledger.policy.callers import Grant
from iamledger.policy.requests import Decision, Layer, Outcome

ALLOWED = {layer: Decision(Outcome.ALLOWED, layer) for layer in Layer}
EXPLICIT_DENY = {layer: Decision(Outcome.EXPLICIT_DENY, layer) for layer in Layer}
IMPLICIT_DENY = {layer: Decision(Outcome.IMPLICIT_DENY, layer) for layer in Layer}

_BY_RESOURCE, _BY_IDENTITY = ALLOWED[Layer.RESOURCE], ALLOWED[Layer.IDENTITY]
_NO_RESOURCE, _NO_IDENTITY = IMPLICIT_DENY[Layer.RESOURCE], IMPLICIT_DENY[Layer.IDENTITY]
_NO_BOUNDARY, _NO_SESSION = IMPLICIT_DENY[Layer.BOUNDARY], IMPLICIT_DENY[Layer.SESSION]


def combine(grant: Grant, identity: bool, boundary: bool, session: bool, same_account: bool, trust: bool) -> Decision:
    """The decision, of what the resource side grants, and whether each of the others allows.

    Boundary and session allow if there are none. `trust`: whether the resource policy is a role's trust policy.
    """
    if not grant and (trust or not same_account):
        return _NO_RESOURCE
    passed = grant if same_account else Grant.DELEGATES
    if not identity and passed < Grant.PASSES_IDENTITY:
        return _NO_IDENTITY
    if not boundary and passed < Grant.PASSES_BOUNDARY:
        return _NO_BOUNDARY
    if not session and passed < Grant.PASSES_SESSION:
        return _NO_SESSION
    return _BY_RESOURCE if trust or not same_account or passed >= Grant.PASSES_IDENTITY else _BY_IDENTITY


def lacking(
    grant: Grant, identity: bool, boundary: bool, session: bool, same_account: bool, trust: bool
) -> list[Layer]:
    """Every layer that lacks an Allow without which the request is denied, in the order of reasons."""
    found: list[Layer] = []
    while not (decision := combine(grant, identity, boundary, session, same_account, trust)):
        found.append(decision.layer)
        grant = Grant.DELEGATES if decision.layer is Layer.RESOURCE else grant
        identity |= decision.layer is Layer.IDENTITY
        boundary |= decision.layer is Layer.BOUNDARY
        session |= decision.layer is Layer.SESSION
    return found
