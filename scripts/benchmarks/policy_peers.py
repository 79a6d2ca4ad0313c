"""Other engines on the load without conditions, each prepared as well as it can be; without those that are not installed.

- cedarpy: the policies and the entities as handles; buckets are parents of their objects, groups of the user.
- moto's IAMPolicy, one for each document, made before.
- pycasbin: roles, and keyMatch on the resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

from benchmarks.policy_loads import GROUPS, HOLDERS, Asked, Load

Decide = Callable[[Asked], bool]


def peers(load: Load) -> Iterator[tuple[str, Decide]]:
    """The engines that are installed, prepared."""
    for module, name, prepare in (
        ("cedarpy", "cedarpy", _cedar),
        ("moto", "moto", _moto),
        ("casbin", "pycasbin", _casbin),
    ):
        if find_spec(module):
            yield name, prepare(load)


def _cedar(load: Load) -> Decide:
    from cedarpy import Entities, PolicySet, is_authorized

    policies, known = [], set()
    groups = [{"type": "Group", "id": group} for group in GROUPS]
    entities: list[Any] = [{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": groups}]
    for n, statement in enumerate(load.statements):
        holder = HOLDERS[n % len(HOLDERS)]
        who = f'principal == User::"{holder}"' if holder == HOLDERS[0] else f'principal in Group::"{holder}"'
        bucket = _bucket(statement["Resource"])
        policies.append(f'permit({who}, action == Action::"{statement["Action"]}", resource in Bucket::"{bucket}");')
    for _, resource, _ in load.requests(400):
        if resource not in known:
            known.add(resource)
            parents = [{"type": "Bucket", "id": _bucket(resource)}]
            entities.append({"uid": {"type": "Object", "id": resource}, "attrs": {}, "parents": parents})
    parsed, graph = PolicySet.from_str("\n".join(policies)), Entities.from_json_str(json.dumps(entities))

    def decide(asked: Asked) -> bool:
        action, resource, context = asked
        request = {
            "principal": {"type": "User", "id": "alice"},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Object", "id": resource},
            "context": context,
        }
        return bool(is_authorized(request, parsed, graph).allowed)

    return decide


def _bucket(resource: str) -> str:
    return resource.removeprefix("arn:aws:s3:::").partition("/")[0]


def _moto(load: Load) -> Decide:
    from moto.iam.access_control import IAMPolicy, PermissionResult

    policies = [IAMPolicy({"policy_document": document}) for document in load.documents.values()]

    def decide(asked: Asked) -> bool:
        action, resource, context = asked
        results = [policy.is_action_permitted(action, resource, None, dict(context)) for policy in policies]
        return PermissionResult.DENIED not in results and PermissionResult.PERMITTED in results

    return decide


_MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && r.act == p.act
"""


def _casbin(load: Load) -> Decide:
    import casbin

    model = casbin.Model()
    model.load_model_from_text(_MODEL)
    enforcer: Any = casbin.Enforcer(model)
    for n, statement in enumerate(load.statements):
        enforcer.add_policy(HOLDERS[n % len(HOLDERS)], statement["Resource"], statement["Action"])
    for group in GROUPS:
        enforcer.add_grouping_policy("alice", group)
    return partial(_enforce, enforcer)


def _enforce(enforcer: Any, asked: Asked) -> bool:
    action, resource, _ = asked
    return bool(enforcer.enforce("alice", resource, action))
