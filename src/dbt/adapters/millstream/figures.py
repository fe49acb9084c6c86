"""Figures of what was deployed: for run_results.json, and one line at the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from dbt.adapters.millstream.deployer import DeployResponse

OF_A_RELATION = """
select
    case when class.reltuples >= 0 then class.reltuples::bigint end,
    (
        select round(sum(milliseconds / ticks)::numeric, 2)::float8
        from millstream.node_stats
        where node = any(state.tables) and ticks > 0
    )
from millstream.relation as relation
inner join millstream.state as state on state.name = relation.state
left join pg_class as class on class.oid = to_regclass('millstream_data.' || quote_ident(state.name))
where relation.schema_name = %s and relation.name = %s
"""


def figures_of(conn: psycopg.Connection[Any], schema: str, name: str) -> dict[str, Any]:
    """About how many rows a stored relation has, and the milliseconds that it takes of a tick; none where unknown."""
    row = conn.execute(OF_A_RELATION, [schema, name]).fetchone()
    return {} if row is None else {"rows": row[0], "ms_per_tick": row[1]}


def summary(responses: Sequence[DeployResponse]) -> str:
    """One line about a run: how many were made, replaced and left alone, and the time that the engine took."""
    counted = Counter(response.action for response in responses)
    parts = [
        f"{counted[action]} {action}" for action in ("created", "replaced", "unchanged") if counted[action]
    ]
    rebuilt = sum(len(response.rebuilt) for response in responses)
    if rebuilt:
        parts.insert(-1 if counted["unchanged"] else len(parts), f"{rebuilt} rebuilt with them")
    seconds = sum(response.seconds for response in responses)
    known = [response.ms_per_tick for response in responses if response.ms_per_tick is not None]
    ticks = f"; their work is {sum(known):,.1f} ms of a tick" if known else ""
    return f"{', '.join(parts)}, in {seconds:.1f} s of deploying{ticks}"
