"""Every user, group and managed policy that ever was, with the last name it had. Rows stay when what they name is gone."""

from __future__ import annotations

from iamledger.engine.declaration import Field, Projection, open_row, revise_row

_KINDS = {
    "User": ("user_id", "user_name", ["UserCreated"], ["UserRenamed"]),
    "Group": ("group_id", "group_name", ["GroupCreated"], ["GroupRenamed"]),
    "Policy": ("policy_id", "policy_name", ["PolicyCreated", "ManagedPolicyImported"], []),
}

projection = Projection(
    name="principal_names",
    description="Users, groups and policies that ever were: last name",
    key=["id"],
    columns={"kind": "text", "name": "text"},
    rules=[
        open_row(event, key={"id": id_}, set={"kind": kind, "name": Field(name)})
        for kind, (id_, name, created, _) in _KINDS.items()
        for event in created
    ]
    + [
        revise_row(event, key={"id": id_}, set={"name": Field(name)})
        for id_, name, _, renamed in _KINDS.values()
        for event in renamed
    ],
)
