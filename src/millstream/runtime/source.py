"""Source tables: the stored rows, the queue that clients write to, and the view that they see."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from millstream.delta.node import HASH
from millstream.emit.names import DATA, changes, queue, quote, short, table, taken
from millstream.emit.render import scalar
from millstream.emit.stored import hashed
from millstream.front.ddl import Table
from millstream.plan.expression import WEIGHT
from millstream.plan.fallible import note_model, note_text


@dataclass(frozen=True)
class Source:
    """Writes the SQL of one source table. `name` is the stored relation, `view` what clients see (quoted)."""

    name: str
    view: str
    table: Table

    @property
    def columns(self) -> list[str]:
        """The declared columns, quoted."""
        return [quote(column.name) for column in self.table.columns]

    @property
    def given(self) -> list[str]:
        """The columns that clients write, quoted; the others are generated when their rows are taken."""
        return [quote(column.name) for column in self.table.columns if column.generated is None]

    @property
    def generated(self) -> dict[str, str]:
        """The generated columns, quoted, with their expressions; what fails on a value is NULL, and counted."""
        found = {}
        for column in self.table.columns:
            if column.generated is not None:
                computed = exp.cast(sqlglot.parse_one(column.generated, dialect="postgres"), column.type)
                note_text(computed, "postgres")
                note_model(computed, self.name)
                found[quote(column.name)] = scalar(computed)
        return found

    @property
    def all_columns(self) -> list[str]:
        """Every stored column, quoted."""
        return self.columns if self.table.key else [*self.columns, HASH]

    def create(self) -> list[str]:
        """Create the table, the queue, the view and the triggers that connect them."""
        definitions = [
            f"{quote(c.name)} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.table.columns
        ]
        written = [d for d, c in zip(definitions, self.table.columns, strict=True) if c.generated is None]
        key = [quote(name) for name in self.table.key]
        stored = (
            [*definitions, f"PRIMARY KEY ({', '.join(key)})"] if key else [*definitions, f"{HASH} bigint"]
        )
        made = [f"CREATE TABLE {table(self.name)} ({', '.join(stored)}) WITH (fillfactor = 85)"]
        if not key:
            made.append(f"CREATE INDEX ON {table(self.name)} ({HASH})")
        made += [
            f"CREATE TABLE {queue(self.name)} (_seq bigint NOT NULL DEFAULT nextval('millstream.queue_number'),"
            f' _op "char" NOT NULL, {", ".join(written)})',
            f"CREATE INDEX ON {queue(self.name)} (_seq)",
            f"CREATE VIEW {self.view} AS SELECT {', '.join(self.columns)} FROM {table(self.name)}",
        ]
        made += [
            f"ALTER VIEW {self.view} ALTER COLUMN {quote(c.name)} SET DEFAULT {c.default}"
            for c in self.table.columns
            if c.default is not None
        ]
        return made + self.triggers()

    def triggers(self) -> list[str]:
        """INSTEAD OF triggers that queue what clients do, and one that wakes the worker."""
        names = ", ".join(["_op", *self.given])
        new = ", ".join(f"new.{c}" for c in self.given)
        old = ", ".join(f"old.{c}" for c in self.given)
        function = f"{DATA}.{quote(short(self.name + '__write'))}"
        into = f"INSERT INTO {queue(self.name)} ({names})"
        moved = (
            f"IF ({', '.join(f'new.{quote(k)}' for k in self.table.key)}) IS DISTINCT FROM "
            f"({', '.join(f'old.{quote(k)}' for k in self.table.key)}) THEN {into} VALUES ('d', {old}); END IF; "
            f"{into} VALUES ('u', {new}); RETURN new;"
            if self.table.key
            else "RAISE EXCEPTION 'rows of % have no key that tells which one to update', tg_table_name "
            "USING HINT = 'declare a PRIMARY KEY for the table, or DELETE and INSERT the row';"
        )
        needed = [c.name for c in self.table.columns if not c.nullable and c.generated is None]
        required = "".join(
            f"IF tg_op <> 'DELETE' AND new.{quote(name)} IS NULL THEN RAISE EXCEPTION 'a row of % needs {name}', "
            "tg_table_name USING ERRCODE = 'not_null_violation', HINT = 'give it a value, or send raw input to a "
            "table without required columns'; END IF; "
            for name in needed
        )
        shown = {quote(c.name): c.name.replace("'", "''").replace("%", "%%") for c in self.table.columns}
        required += "".join(
            f"IF tg_op <> 'DELETE' AND new.{name} IS DISTINCT FROM (CASE tg_op WHEN 'UPDATE' THEN old.{name} END) THEN "
            f"RAISE EXCEPTION 'column {shown[name]} of % is generated', tg_table_name USING ERRCODE = "
            "'generated_always', HINT = 'leave it out: it is computed from the other columns'; END IF; "
            for name in self.generated
        )
        return [
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $body$ BEGIN {required} "
            f"IF tg_op = 'INSERT' THEN {into} VALUES ('i', {new}); RETURN new; "
            f"ELSIF tg_op = 'UPDATE' THEN {moved} "
            f"ELSE {into} VALUES ('d', {old}); RETURN old; END IF; END $body$",
            f"CREATE TRIGGER write INSTEAD OF INSERT OR UPDATE OR DELETE ON {self.view} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON {self.view} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION millstream.wake()",
        ]

    def temporary(self) -> list[str]:
        """The session tables of a tick."""
        computed = [f"{expression} AS {name}" for name, expression in self.generated.items()]
        return [
            f"CREATE TEMPORARY TABLE {taken(self.name)} AS SELECT {', '.join(['*', *computed])} "
            f"FROM {queue(self.name)} LIMIT 0",
            f"CREATE TEMPORARY TABLE {changes(self.name)} AS SELECT {', '.join(self.all_columns)}, 0 AS {WEIGHT} "
            f"FROM {table(self.name)} LIMIT 0",
        ]

    def take(self, limit: str) -> str:
        """Move at most `limit` queued rows, oldest first, into the session.

        By their places, so that no plan made for an empty queue can compare every row with every other. Queued rows
        never move: nobody updates them, and only this deletes them.
        """
        columns = ", ".join(["_seq", "_op", *self.given])
        return (
            f"WITH t AS (DELETE FROM {queue(self.name)} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {queue(self.name)} "
            f"ORDER BY _seq LIMIT {limit})) RETURNING *) "
            f"INSERT INTO {taken(self.name)} ({', '.join([columns, *self.generated])}) "
            f"SELECT {', '.join([columns, *self.generated.values()])} FROM t"
        )

    def derive(self) -> str:
        """Settle conflicts among the taken rows and with the stored ones: the exact change of the table."""
        return self.derive_keyed() if self.table.key else self.derive_bag()

    def derive_bag(self) -> str:
        """Rows without a key: each insert adds a row; deletes take equal rows away that were stored before the tick.

        A DELETE sees the stored rows only, so two of them in one tick may queue the same rows twice.
        """
        columns = ", ".join(f"q.{c}" for c in self.columns)
        row_hash = hashed([f"q.{c}" for c in self.columns])
        mine = ", ".join(f"c.{c}" for c in self.columns)
        theirs = ", ".join(f"t.{c}" for c in self.columns)
        return (
            f"INSERT INTO {changes(self.name)} SELECT {', '.join(self.columns)}, {HASH}, w FROM (SELECT c.*, "
            f"(c.added - least(c.removed, (SELECT count(*) FROM {table(self.name)} AS t WHERE t.{HASH} = c.{HASH} AND "
            f"ROW({theirs}) IS NOT DISTINCT FROM ROW({mine}))))::integer AS w FROM "
            f"(SELECT {columns}, {row_hash} AS {HASH}, count(*) FILTER (WHERE q._op = 'i') AS added, "
            f"count(*) FILTER (WHERE q._op = 'd') AS removed "
            f"FROM {taken(self.name)} AS q GROUP BY {columns}) AS c) AS c WHERE w <> 0"
        )

    def derive_keyed(self) -> str:
        """What each key's operations of this tick amount to: `set`, `delete`, or `add` if there is no such row.

        Overwriting tables take the last operation. Tables where the first wins take the last UPDATE or DELETE, and
        after a DELETE the first INSERT that follows it.
        """
        key = ", ".join(quote(name) for name in self.table.key)
        same = " AND ".join(f"t.{quote(k)} = f.{quote(k)}" for k in self.table.key)
        columns = ", ".join(self.columns)
        mine, theirs = ", ".join(f"f.{c}" for c in self.columns), ", ".join(f"t.{c}" for c in self.columns)
        source = taken(self.name)
        if self.table.conflict == "ignore":
            joined = " AND ".join(f"a.{quote(k)} = q.{quote(k)}" for k in self.table.key)
            again = " AND ".join(f"i.{quote(k)} = a.{quote(k)}" for k in self.table.key)
            final = (
                f"a AS (SELECT DISTINCT ON ({key}) * FROM {source} WHERE _op <> 'i' ORDER BY {key}, _seq DESC), "
                f"i AS (SELECT DISTINCT ON ({', '.join('q.' + quote(k) for k in self.table.key)}) q.*, "
                f"a._seq IS NOT NULL AS _after_delete FROM {source} AS q LEFT JOIN a ON {joined} WHERE q._op = 'i' AND "
                f"(a._seq IS NULL OR (a._op = 'd' AND q._seq > a._seq)) "
                f"ORDER BY {', '.join('q.' + quote(k) for k in self.table.key)}, q._seq), "
                f"f AS (SELECT {columns}, CASE WHEN _op = 'd' THEN 'delete' ELSE 'set' END AS _act FROM a WHERE NOT "
                f"EXISTS (SELECT 1 FROM i WHERE {again}) UNION ALL "
                f"SELECT {columns}, CASE WHEN _after_delete THEN 'set' ELSE 'add' END FROM i)"
            )
        else:
            order = f"{quote(self.table.version)} DESC NULLS LAST, " if self.table.version else ""
            deletes = f"(_op = 'd') DESC, {order}" if self.table.version else ""
            final = (
                f"f AS (SELECT DISTINCT ON ({key}) {columns}, CASE WHEN _op = 'd' THEN 'delete' ELSE 'set' END AS _act "
                f"FROM {source} ORDER BY {key}, {deletes}_seq DESC)"
            )
        newer = (
            f" AND (f._act = 'delete' OR t.{quote(self.table.version)} IS NULL OR "
            f"f.{quote(self.table.version)} >= t.{quote(self.table.version)})"
            if self.table.version
            else ""
        )
        differs = f"(f._act = 'delete' OR ROW({mine}) IS DISTINCT FROM ROW({theirs}))"
        stored = ", ".join(f"t.{c} AS _{number}" for number, c in enumerate(self.columns))
        theirs = ", ".join(f"f._{number}" for number, _ in enumerate(self.columns))
        known = f"t.{quote(self.table.key[0])} IS NOT NULL"
        return (
            f"INSERT INTO {changes(self.name)} WITH {final}, m AS MATERIALIZED (SELECT f.*, {stored}, {known} AS _met, "
            f"(NOT {known} OR ({differs}{newer})) AS _differs FROM f LEFT JOIN LATERAL (SELECT * FROM "
            f"{table(self.name)} AS t WHERE {same} LIMIT 1) AS t ON true) "
            f"SELECT {theirs}, -1 FROM m AS f WHERE f._met AND f._act <> 'add' AND f._differs UNION ALL "
            f"SELECT {mine}, 1 FROM m AS f WHERE f._act <> 'delete' AND f._differs AND (f._act = 'set' OR NOT f._met)"
        )

    def apply(self) -> str:
        """Take the removed rows out of the table and put the added ones in."""
        columns = ", ".join(self.all_columns)
        d, t = changes(self.name), table(self.name)
        if self.table.key:
            same = " AND ".join(f"t.{quote(k)} = d.{quote(k)}" for k in self.table.key)
            updates = ", ".join(
                f"{c} = excluded.{c}"
                for c, column in zip(self.columns, self.table.columns, strict=True)
                if column.name not in self.table.key
            )
            settle = f"DO UPDATE SET {updates}" if updates else "DO NOTHING"
            keys = ", ".join(f"d.{quote(k)}" for k in self.table.key)
            return (
                f"WITH gone AS (DELETE FROM {t} WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM (SELECT {keys} FROM {d} AS d "
                f"GROUP BY {keys} HAVING max(d.{WEIGHT}) < 0) AS d CROSS JOIN LATERAL "
                f"(SELECT t.ctid FROM {t} AS t WHERE {same} LIMIT 1) AS t))) INSERT INTO {t} ({columns}) "
                f"SELECT {columns} FROM {d} WHERE {WEIGHT} > 0 "
                f"ON CONFLICT ({', '.join(quote(k) for k in self.table.key)}) {settle}"
            )
        row = ", ".join(f"t.{c}" for c in self.columns)
        other = ", ".join(f"d.{c}" for c in self.columns)
        return (
            f"WITH gone AS (DELETE FROM {t} WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM {d} AS d CROSS JOIN LATERAL "
            f"(SELECT t.ctid FROM {t} AS t WHERE t.{HASH} = d.{HASH} AND ROW({row}) IS NOT DISTINCT FROM ROW({other}) "
            f"LIMIT -d.{WEIGHT}) AS t WHERE d.{WEIGHT} < 0))) INSERT INTO {t} ({columns}) SELECT {columns} FROM "
            f"(SELECT d.*, generate_series(1, d.{WEIGHT}) FROM {d} AS d WHERE d.{WEIGHT} > 0) AS d"
        )
