"""Rights belong to an object and not to its name: a build gets those of what it replaces, and those of its model."""

from __future__ import annotations

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import keyword, literal


def copy_grants(there: Inventory, wanted: Definition, built: str) -> None:
    """Let whoever may read what is served read the build of that name."""
    entries = there.statements.ask(
        "select unnest(r.acl) as entry from rw_catalog.rw_relations as r "
        f"join rw_catalog.rw_schemas as s on s.id = r.schema_id where s.name = {literal(wanted.schema)}"
        f" and r.name = {literal(wanted.name)}"
    )
    relation = f"{keyword(wanted.kind)} {there.full_name(wanted.schema, built)}"
    for (entry,) in entries:
        user, _, rights = entry.partition("=")
        if user and user not in there.superusers and "r" in rights.split("/")[0]:
            there.statements.send(f'grant select on {relation} to "{user}"')


def grant_configured(there: Inventory, wanted: Definition, built: str) -> None:
    """Grant what the model's configuration says, `{select: [reader, …]}`."""
    for privilege, users in (wanted.options.get("grants") or {}).items():
        named = [users] if isinstance(users, str) else list(users)
        if named:
            there.statements.send(
                f"grant {privilege} on {keyword(wanted.kind)} {there.full_name(wanted.schema, built)}"
                f" to {', '.join(named)}"
            )
