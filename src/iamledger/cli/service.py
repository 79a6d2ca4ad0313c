"""Services: the products that policies are about, with their actions, resource types and condition keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.completing import SERVICE
from iamledger.cli.groups import commands
from iamledger.cli.output import Output, print_csv, print_json, print_record, print_table
from iamledger.cli.permits import LOCAL
from iamledger.cli.session import Session, plain

if TYPE_CHECKING:
    from iamledger.policy.services import Service

app = commands("Services that policies are about: AWS's, iamledger's own, and those that you describe.")


@app.command("list", epilog="Example: iamledger service list --own")
@plain(LOCAL, without=("account",))
def list_(
    session: Session,
    own: Annotated[bool, typer.Option("--own", help="Only those that are not AWS's.")] = False,
) -> None:
    """List services: AWS's, iamledger itself, and those that files in IAMLEDGER_SERVICES describe."""
    from iamledger.services import open_catalogue

    rows = [
        {"Service": prefix, "Name": name, "Source": source}
        for prefix, name, source in open_catalogue(session.settings).summaries()
        if source != "AWS" or not own
    ]
    if session.output is Output.JSON:
        print_json({"Services": rows})
    elif session.output is Output.CSV:
        print_csv(rows, ["Service", "Name", "Source"])
    else:
        print_table(rows, ["Service", "Name", "Source"])


@app.command(epilog="Example: iamledger service show s3 --resources")
@plain(LOCAL, without=("account",))
def show(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="SERVICE", help="Prefix of its actions, such as s3.", autocompletion=SERVICE)
    ],
    actions: Annotated[bool, typer.Option("--actions", help="Only its actions.")] = False,
    resources: Annotated[bool, typer.Option("--resources", help="Only its resource types.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Only its condition keys.")] = False,
) -> None:
    """Show a service: its actions, resource types and condition keys.

    JSON and CSV also tell the condition keys and the dependent actions of each action, and the condition keys of each
    resource type.
    """
    from iamledger.services import open_catalogue

    catalogue = open_catalogue(session.settings)
    service = catalogue.service(name)
    if service is None:
        raise _unknown(name, catalogue.prefixes())
    asked = {"Actions": actions, "ResourceTypes": resources, "ConditionKeys": keys}
    parts = {part: rows for part, rows in _parts(service).items() if asked[part] or not any(asked.values())}
    about = {"Service": service.prefix, "Name": service.name, "Source": service.source}
    if session.output is Output.JSON:
        print_json({**about, **parts})
    elif session.output is Output.TABLE:
        print_record({**about, **{part: [_short(row) for row in rows] for part, rows in parts.items()}})
    elif len(parts) > 1:
        raise typer.BadParameter("csv is one table: add --actions, --resources or --keys", param_hint="--output")
    else:
        ((part, rows),) = parts.items()
        print_csv(rows, _COLUMNS[part])


_COLUMNS = {
    "Actions": ("Action", "AccessLevel", "ResourceTypes", "ConditionKeys", "DependentActions", "Description"),
    "ResourceTypes": ("ResourceType", "Arns", "ConditionKeys"),
    "ConditionKeys": ("ConditionKey", "Type", "Description"),
}
_LONG = ("ConditionKeys", "DependentActions")
"""What tables leave out."""


def _parts(service: Service) -> dict[str, list[dict[str, Any]]]:
    values: dict[str, list[tuple[Any, ...]]] = {
        "Actions": [
            (
                *(f"{service.prefix}:{action.name}", action.access_level),
                [resource.type for resource in action.resources],
                _each([*action.condition_keys, *(key for r in action.resources for key in r.condition_keys)]),
                _each([*action.dependent_actions, *(also for r in action.resources for also in r.dependent_actions)]),
                action.description,
            )
            for action in sorted(service.actions.values(), key=lambda action: action.name)
        ],
        "ResourceTypes": [
            (type_.name, list(type_.arns), list(type_.condition_keys)) for type_ in service.resource_types.values()
        ],
        "ConditionKeys": [(key.name, key.type, key.description) for key in service.condition_keys.values()],
    }
    return {part: [dict(zip(_COLUMNS[part], row, strict=True)) for row in rows] for part, rows in values.items()}


def _each(names: list[str]) -> list[str]:
    return sorted(set(names))


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table has it."""
    return {
        name: ", ".join(value) if isinstance(value, list) else value for name, value in row.items() if name not in _LONG
    }


def _unknown(name: str, prefixes: list[str]) -> Exception:
    from iamledger.iam.refusals import NoSuchEntity
    from iamledger.policy.words import did_you_mean

    advice = did_you_mean(name.lower(), prefixes) or "See: iamledger service list"
    return NoSuchEntity(f"There is no service {name!a}. {advice[0].upper()}{advice[1:]}")
