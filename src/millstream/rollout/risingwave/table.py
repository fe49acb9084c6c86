"""Tables and sources, which hold rows from outside: made once, and never altered but by new columns at their end."""

from __future__ import annotations

from dataclasses import replace

from millstream.errors import Refused
from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.compare import added_columns, stamp_of
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import keyword


def deploy_table(there: Inventory, wanted: Definition, *, full_refresh: bool = False) -> str:
    """Deploy a table or source, whose text is its declaration. Returns what was done.

    Raises Refused where its rows would be lost, unless `full_refresh` says that they may go.
    """
    there.record()
    current = there.objects.get(wanted.key)
    stamp = stamp_of(wanted, there, 1)
    name = there.full_name(wanted.schema, wanted.name)
    if current is None:
        done = "created"
        there.statements.send(wanted.text)
        there.created(wanted.schema, wanted.name, wanted.kind)
    elif (
        current.kind == wanted.kind
        and current.stamp is not None
        and current.stamp.definition == stamp.definition
    ):
        return "unchanged"
    else:
        try:
            added = added_columns(wanted, current, there)
        except Refused:
            if not full_refresh:
                raise
            there.statements.send(f"drop {keyword(current.kind)} {name} cascade")
            there.dropped(wanted.key, cascade=True)
            there.statements.send(wanted.text)
            there.created(wanted.schema, wanted.name, wanted.kind)
            done = "replaced: full refresh"
        else:
            for column in added:
                there.statements.send(f"alter table {name} add column {column}")
            stamp = replace(stamp, version=current.version or 1)
            done = f"altered: {len(added)} columns added" if added else "unchanged: adopted"
    there.mark(registry.Mark(wanted.key, stamp))
    return done
