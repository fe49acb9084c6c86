"""Faults: what a source tells of its statements, and what a tick takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from millstream.compiler.algebra.expression import WEIGHT
from millstream.engine.state.client_table import ClientTable
from millstream.engine.state.source import Source
from millstream.engine.tick import session as sessions
from tests.equivalence.mutations.fault import Fault, Original, Patch, edited, wrapped


def with_rule(
    conflict: str | None = None, fill: str | None = None, versions: tuple[str, ...] | slice | None = None
) -> Patch:
    """Let a plain INSERT follow another rule than the declared one; `fill` only where NULLs keep what is stored."""

    def wrap(original: Original) -> Original:
        def changed(self: ClientTable) -> Any:
            rule = conflict or (fill if self.table.conflict == "fill" else None) or self.table.conflict
            compared = self.table.versions
            if versions is not None:
                compared = compared[versions] if isinstance(versions, slice) else versions
            return original(replace(self, table=replace(self.table, conflict=rule, versions=compared)))

        return changed

    return wrapped(ClientTable, "settling", wrap)


FAULTS = (
    Fault(
        "queued rows stay queued",
        edited(Source, "take_rows", r"DELETE (FROM.*) RETURNING \*", r"SELECT * \1"),
        ("source",),
    ),
    Fault("the last row of a key wins", with_rule(conflict="overwrite"), ("source",)),
    Fault("the first row of a key wins", with_rule(conflict="ignore"), ("source",)),
    Fault("NULL takes the place of a value", with_rule(fill="overwrite"), ("source",)),
    Fault("an older version wins", with_rule(versions=()), ("source",)),
    Fault("only the first version column counts", with_rule(versions=slice(1)), ("source",)),
    Fault(
        "an UPDATE does not tell what it removed",
        edited(
            ClientTable,
            "update",
            r"SELECT -1 AS w\$, \* FROM removed UNION ALL SELECT 1,",
            f"SELECT 1 AS {WEIGHT},",
        ),
        ("source",),
    ),
    Fault("TRUNCATE tells nothing", edited(ClientTable, "emptying", "INSERT INTO.*?;", ""), ("source",)),
    Fault(
        "INSERT … ON CONFLICT follows the table's rule",
        edited(
            ClientTable, "settling", r"IF \S+\('millstream.settles'\) = 'itself' THEN RETURN new; END IF;", ""
        ),
        ("source",),
    ),
    Fault(
        "a replaced row goes in a tick of its own",
        edited(
            ClientTable, "insertion", r"UPDATE .*? WHERE seq\$ = 0; IF FOUND .*? ELSE (.*) END IF;", r"\1"
        ),
        ("source",),
    ),
    Fault("a tick ends anywhere", edited(Source, "take", r"FILTER \(WHERE cut\$\)", ""), ("source",)),
    Fault(
        "equal rows of a bag go one at a time",
        edited(Source, "apply_bag", r"LIMIT -d\.w\$", "LIMIT 1"),
        ("source",),
    ),
    Fault(
        "a tick's changes stay",
        edited(sessions, "finish_function", "DELETE FROM [^;]+;", "PERFORM 1;"),
        ("select",),
    ),
)
