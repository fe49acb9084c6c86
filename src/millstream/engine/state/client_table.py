"""What clients write to: a table of their own for every source, whose triggers tell the engine what each statement did.

The table is PostgreSQL's in every respect: locks, keys, RETURNING, ON CONFLICT, MERGE, TRUNCATE and savepoints do what
they do anywhere. After a statement its triggers append the rows that it removed and added to the source's queue, as one
group that is numbered when the statement ends. So a group that had to wait for another one comes after it, and the
groups, added up in the order of their numbers, are the table.

One thing is ours: a plain INSERT or COPY of a key that is there follows the rule that the table declares.

    do nothing           the new row is left out
    do update full       the stored row is deleted and the new one inserted, unless its version is older
    … if not null        the same, with the stored row's values for the NULLs of the new one

An INSERT … ON CONFLICT or a MERGE says itself what it wants and is left to PostgreSQL. Of two sessions that insert the
same new key, the second waits for the first and then meets its row, because an insertion locks its key; a transaction
locks so many keys at most (millstream.begin_insertion), beyond which the second is told of a unique violation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.fallible import note_model, note_text
from millstream.compiler.dialect import DIALECT, explicit
from millstream.compiler.postgres.names import CUT, DATA, POSITION, SEQUENCE, dollars, queue, quote, short
from millstream.compiler.postgres.scalar import scalar
from millstream.compiler.syntax.declarations.declared import ColumnDeclaration, TableDeclaration
from millstream.engine.state.settings import AS_TICKS

GROUP = '"the group"'  # a variable, called as no column is
NUMBER = f"{GROUP} := nextval('millstream.queue_number');"
ADDED = f"IF EXISTS (SELECT FROM added) THEN {NUMBER} END IF;"
WAKE = "PERFORM pg_catalog.pg_notify('millstream_queue', '');"


@dataclass(frozen=True)
class ClientTable:
    """Writes the SQL of the table that clients see. `name` is the source's state, `view` the table's name, quoted."""

    name: str
    view: str
    table: TableDeclaration

    @property
    def columns(self) -> list[str]:
        """The declared columns, quoted."""
        return [quote(column.name) for column in self.table.columns]

    @property
    def key(self) -> list[str]:
        """The columns of the key, quoted."""
        return [quote(name) for name in self.table.key]

    @property
    def given(self) -> list[str]:
        """The columns that clients write, quoted; the others are generated."""
        return [quote(column.name) for column in self.table.columns if column.is_given]

    @property
    def generated(self) -> dict[str, str]:
        """The generated columns, quoted, with their expressions; what fails on a value is NULL, and counted."""
        found = {}
        for column in self.table.columns:
            if column.generated is not None:
                expression = sqlglot.parse_one(column.generated, dialect=DIALECT)
                computed = exp.cast(explicit(expression), column.type)
                note_text(computed)
                note_model(computed, self.name)
                found[quote(column.name)] = scalar(computed)
        return found

    @property
    def triggers_mark(self) -> str:
        """Tells the triggers that this release makes from those of another one."""
        return hashlib.sha256("\n".join(self.triggers()).encode()).hexdigest()[:16]

    def create(self) -> list[str]:
        """Create the table, its queue, and the triggers that connect them."""
        parts = [definition(column) for column in self.table.columns]
        if self.key:
            parts.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return [f"CREATE TABLE {self.view} ({', '.join(parts)})", *self.create_queue(), *self.triggers()]

    def create_queue(self) -> list[str]:
        """Create the queue: rows removed (weight -1) and added (1), by group and place, and where a tick may end."""
        columns = ", ".join(f"{quote(column.name)} {column.type}" for column in self.table.columns)
        return [
            f"CREATE TABLE {queue(self.name)} ({SEQUENCE} bigint NOT NULL, {POSITION} bigint NOT NULL, {CUT} boolean NOT NULL, "
            f"{WEIGHT} integer NOT NULL, {columns})",
            f"CREATE INDEX ON {queue(self.name)} ({SEQUENCE}, {POSITION})",
        ]

    def add(self, columns: Sequence[ColumnDeclaration]) -> list[str]:
        """Add columns at the end: NULL, or generated, in the rows that are there; no tick hears of that."""
        made = []
        for column in columns:
            name = quote(column.name)
            made += [
                f"ALTER TABLE {t} ADD COLUMN {name} {column.type}" for t in (self.view, queue(self.name))
            ]
            if column.default is not None:
                made.append(f"ALTER TABLE {self.view} ALTER COLUMN {name} SET DEFAULT {column.default}")
        values = [
            f"{quote(c.name)} = {self.generated[quote(c.name)]}" for c in columns if c.generated is not None
        ]
        if values:
            made += [
                f"ALTER TABLE {self.view} DISABLE TRIGGER USER",
                *(f"UPDATE {t} SET {', '.join(values)}" for t in (self.view, queue(self.name))),
                f"ALTER TABLE {self.view} ENABLE TRIGGER USER",
            ]
        return [*made, *self.triggers()]

    # ---- triggers ------------------------------------------------------------------------------------------------

    def function(self, what: str) -> str:
        """The name of a trigger function."""
        return f"{DATA}.{quote(short(f'{self.name}__{what}'))}"

    @property
    def functions(self) -> list[str]:
        """The trigger functions that the table may have."""
        return [
            self.function(what) for what in ("settle", "generate", "added", "changed", "removed", "emptied")
        ]

    def triggers(self) -> list[str]:
        """Make the triggers; those of an earlier declaration are replaced."""
        made = [
            self.queueing("added", "INSERT", "NEW TABLE AS added", self.insertion()),
            self.queueing("changed", "UPDATE", "OLD TABLE AS removed NEW TABLE AS added", self.update()),
            self.queueing("removed", "DELETE", "OLD TABLE AS removed", self.deletion()),
            self.trigger("emptied", "BEFORE TRUNCATE", self.emptying()),
        ]
        if self.generated:
            made.append(self.trigger("generate", "BEFORE INSERT OR UPDATE", self.generation(), level="ROW"))
        if self.key:
            made.append(self.trigger("settle", "BEFORE INSERT", self.settling(), level="ROW"))
            made.append(
                f"CREATE OR REPLACE TRIGGER millstream_begin BEFORE INSERT ON {self.view} FOR EACH STATEMENT "
                "EXECUTE FUNCTION millstream.begin_insertion()"
            )
        return made

    def trigger(self, what: str, event: str, body: str, *, level: str = "STATEMENT", tables: str = "") -> str:
        """Make one trigger and its function. PostgreSQL calls triggers in the order of their names."""
        name = quote(
            {"settle": "millstream_a_settle", "generate": "millstream_b_generate"}.get(
                what, f"millstream_{what}"
            )
        )
        # a value is computed as ticks compute it, whatever a client has set for itself
        settings = AS_TICKS if what == "generate" else ""
        text = f" #variable_conflict use_column\nDECLARE {GROUP} bigint; locks integer; stored record; BEGIN {body} END "
        return (
            f"CREATE OR REPLACE FUNCTION {self.function(what)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {settings} AS "
            f"{dollars(text)}; "
            f"CREATE OR REPLACE TRIGGER {name} {event} ON {self.view} {tables} "
            f"FOR EACH {level} EXECUTE FUNCTION {self.function(what)}()"
        )

    def queueing(self, what: str, event: str, tables: str, body: str) -> str:
        """A trigger that queues what a statement did, if it did anything, and wakes the worker."""
        after = f"{body} IF FOUND THEN {WAKE} END IF; RETURN NULL;"
        return self.trigger(what, f"AFTER {event}", after, tables=f"REFERENCING {tables}")

    def enqueue(self, place: str, cut: str, weight: str, rows: str) -> str:
        """Queue rows under the number of their group."""
        columns = ", ".join(self.columns)
        return (
            f"INSERT INTO {queue(self.name)} ({SEQUENCE}, {POSITION}, {CUT}, {WEIGHT}, {columns}) "
            f"SELECT {GROUP}, {place}, {cut}, {weight}, {columns} FROM {rows};"
        )

    def insertion(self) -> str:
        """Queue what an INSERT added. What it replaced is there already, as number 0: one tick takes both."""
        place = "row_number() OVER ()"
        each = self.enqueue(place, "true", "1", "added")
        if not self.replaces:
            return ADDED + each
        whole = self.enqueue(place, f"{place} = (SELECT count(*) FROM added)", "1", "added")
        return (
            f"{ADDED} UPDATE {queue(self.name)} SET {SEQUENCE} = {GROUP} WHERE {SEQUENCE} = 0; "
            f"IF FOUND THEN {whole} ELSE {each} END IF;"
        )

    def update(self) -> str:
        """Queue what an UPDATE removed and added, key by key; each key is whole by itself."""
        cut = "true"
        if self.key:
            key = f"ROW({', '.join(self.key)})"
            cut = f"{key} IS DISTINCT FROM lead({key}) OVER w"
        order = ", ".join([*self.key, WEIGHT])
        rows = f"(SELECT -1 AS {WEIGHT}, * FROM removed UNION ALL SELECT 1, * FROM added) AS c WINDOW w AS (ORDER BY {order})"
        return ADDED + self.enqueue("row_number() OVER w", cut, WEIGHT, rows)

    def deletion(self) -> str:
        """Queue what a DELETE removed; where that is a row which an INSERT replaces, as its number 0."""
        rows = self.enqueue(
            f"CASE WHEN {GROUP} = 0 THEN 0 ELSE row_number() OVER () END", f"{GROUP} <> 0", "-1", "removed"
        )
        return (
            "IF pg_catalog.pg_trigger_depth() > 1 "  # a client can set the variable, and no client has triggers
            f"AND pg_catalog.current_setting('millstream.replacing', true) = 'yes' THEN {GROUP} := 0; "
            f"ELSIF EXISTS (SELECT FROM removed) THEN {NUMBER} END IF; {rows}"
        )

    def emptying(self) -> str:
        """Queue every row that TRUNCATE is about to remove; its lock keeps everybody else away."""
        rows = self.enqueue("row_number() OVER ()", "true", "-1", self.view)
        return f"{NUMBER} {rows} {WAKE} RETURN NULL;"

    def generation(self) -> str:
        """Compute the generated columns, which nobody else may write."""
        shown = {quote(c.name): c.name.replace("'", "''").replace("%", "%%") for c in self.table.columns}
        parts = [
            f"IF new.{name} IS DISTINCT FROM (CASE tg_op WHEN 'UPDATE' THEN old.{name} END) THEN RAISE EXCEPTION "
            f"'column {shown[name]} of % is generated', tg_table_name USING ERRCODE = 'generated_always', "
            "HINT = 'leave it out: it is computed from the other columns'; END IF;"
            for name in self.generated
        ]
        parts.append("PERFORM pg_catalog.set_config('millstream.recording', 'on', true);")
        parts += [
            f"SELECT {expression} INTO new.{name} FROM (SELECT (new).* OFFSET 0) AS s;"
            for name, expression in self.generated.items()
        ]
        return " ".join(
            [*parts, "PERFORM pg_catalog.set_config('millstream.recording', '', true); RETURN new;"]
        )

    # ---- the rule for a plain INSERT -----------------------------------------------------------------------------

    @property
    def replaces(self) -> bool:
        """Whether a plain INSERT may replace a stored row."""
        return self.table.conflict in ("overwrite", "fill")

    def settling(self) -> str:
        """Lock the key of a new row; where the statement leaves it to the table, follow the rule for a stored row."""
        key = f"pg_catalog.hash_record_extended(ROW({', '.join(f'new.{k}' for k in self.key)}), tg_relid::pg_catalog.int8)"
        fewer = "pg_catalog.set_config('millstream.locks', (locks - 1)::pg_catalog.text, true)"
        return (
            "locks := pg_catalog.current_setting('millstream.locks')::pg_catalog.int4; "
            f"IF locks > 0 THEN PERFORM pg_catalog.pg_advisory_xact_lock({key}), {fewer}; END IF; "
            "IF pg_catalog.current_setting('millstream.settles') = 'itself' THEN RETURN new; END IF; "
            + (self.replacing() if self.replaces else self.keeping())
        )

    @property
    def stored(self) -> str:
        """The stored row of the new row's key, as FROM and WHERE."""
        return f"FROM {self.view} AS t WHERE {' AND '.join(f't.{k} = new.{k}' for k in self.key)}"

    def keeping(self) -> str:
        """Leave the new row out where one is stored; whoever is deleting that one is waited for."""
        return (
            f"SELECT t.xmax {self.stored} INTO stored; IF NOT FOUND THEN RETURN new; END IF; "
            f"IF stored.xmax <> 0 THEN PERFORM {self.stored} FOR KEY SHARE; "
            "IF NOT FOUND THEN RETURN new; END IF; END IF; RETURN NULL;"
        )

    def replacing(self) -> str:
        """Delete the stored row, so that the new one takes its place, and look again where somebody else was faster."""
        fill = ""
        if self.table.conflict == "fill":
            filled = [c for c in self.given if c not in self.key]
            values = " ".join(f"new.{c} := coalesce(new.{c}, stored.{c});" for c in filled)
            fill = f"FOR stored IN SELECT * {self.stored} FOR UPDATE LOOP {values} END LOOP; "
        newer = f" AND {self.newer}" if self.table.versions else ""
        refused = (
            f"PERFORM {self.stored} AND NOT {self.newer}; IF FOUND THEN RETURN NULL; END IF; "
            if newer
            else ""
        )
        return (
            f"LOOP {refused}{fill}PERFORM pg_catalog.set_config('millstream.replacing', 'yes', true); "
            f"DELETE {self.stored}{newer}; "
            "IF FOUND THEN PERFORM pg_catalog.set_config('millstream.replacing', '', true); RETURN new; END IF; "
            "PERFORM pg_catalog.set_config('millstream.replacing', '', true); "
            f"PERFORM {self.stored}; IF NOT FOUND THEN RETURN new; END IF; END LOOP;"
        )

    @property
    def newer(self) -> str:
        """The condition that the new row's version is not older than the stored one's; NULL is older than any."""
        condition = "true"
        for column in reversed(self.table.versions):
            old, new = f"t.{quote(column)}", f"new.{quote(column)}"
            condition = (
                f"CASE WHEN {old} IS NOT DISTINCT FROM {new} THEN {condition} "
                f"ELSE {old} IS NULL OR coalesce({new} > {old}, false) END"
            )
        return f"({condition})"


def definition(column: ColumnDeclaration) -> str:
    """A column as CREATE TABLE has it."""
    solid = "" if column.nullable else " NOT NULL"
    default = f" DEFAULT {column.default}" if column.default is not None else ""
    numbered = f" {column.identity}" if column.identity is not None else ""
    return f"{quote(column.name)} {column.type}{solid}{default}{numbered}"
