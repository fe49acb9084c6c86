"""What is stored of one node: its columns, its table, and its rows computed from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from millstream.compiler.algebra.operators import Fit, Plan
from millstream.compiler.incremental.node import HASH, KEY_HASH, Node
from millstream.compiler.postgres.careful import Tries, careful
from millstream.compiler.postgres.fitting import limits, looked_up, model_of, own_indexes, with_fitting
from millstream.compiler.postgres.identity import Columns
from millstream.compiler.postgres.layout import clause, lines, listing, nested, where
from millstream.compiler.postgres.names import quote, table
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.rewrite import declared, with_key_types
from millstream.compiler.postgres.sizes import fits_or_counts


def hashed(columns: list[str]) -> str:
    """Hash a row of columns; equal rows hash equal, NULLs included, whether they are the same or not."""
    return f"hash_record_extended(ROW({listing(columns)}), 0)"


class StoredNode:
    """Writes the SQL of a node's table.

    `describe` asks PostgreSQL for types. `compiled` is the node as it was compiled, `fast` the same with what only writing SQL
    needs; `node` is the form that is written, which tries every operation where there are `tries` (careful.py). `asked` are
    the columns that the model asks indexes for.
    """

    def __init__(
        self,
        node: Node,
        describe: Describe,
        tries: Tries | None = None,
        indexes: Sequence[Sequence[str]] = (),
    ) -> None:
        plan = with_fitting(with_key_types(node.plan, describe), looked_up(node, describe))
        self.compiled = node
        self.fast = replace(node, plan=plan)
        self.asked = indexes
        self.indexes = own_indexes(node, indexes)
        self.node = self.fast if tries is None else replace(node, plan=careful(plan, describe, tries))
        self.describe = describe
        self.tries = tries
        self.stored = tuple(name for name, _ in node.outputs)

    # ---- columns -------------------------------------------------------------------------------------------------

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns stored besides the outputs."""
        extra = [*self.own_hidden]
        if self.has_key_hash:
            extra.append(KEY_HASH)
        if not self.node.unique:
            extra.append(HASH)
        return tuple(extra)

    @property
    def own_hidden(self) -> tuple[str, ...]:
        """What a rule stores besides."""
        return ()

    @property
    def has_key_hash(self) -> bool:
        """Whether keys are looked up by their hash: one may be NULL, or there is none at all (one global row)."""
        return not self.node.is_exact and (self.node.nullable_key or not self.node.keys)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which a stored row is found again."""
        if not self.node.unique:
            return (HASH,)
        return (KEY_HASH,) if self.has_key_hash else self.node.keys

    @property
    def lookup(self) -> tuple[str, ...]:
        """The columns by which the stored rows of a recomputed key are found."""
        return (KEY_HASH,) if self.has_key_hash else self.node.keys

    @property
    def lookup_columns(self) -> list[str]:
        """The keys as columns, quoted, with their hash where look-ups need it."""
        return [quote(c) for c in (*self.node.keys, *((KEY_HASH,) if self.has_key_hash else ()))]

    def same(self, columns: tuple[str, ...], left: str, right: str) -> str:
        """The condition that two rows agree in these columns; a key's hash is checked against the key itself."""
        terms = [f"{left}.{quote(c)} = {right}.{quote(c)}" for c in columns]
        if KEY_HASH in columns:
            terms += [
                f"{left}.{quote(key)} IS NOT DISTINCT FROM {right}.{quote(key)}" for key in self.node.keys
            ]
        return " AND ".join(terms)

    def key_hash(self, prefix: str = "") -> str:
        """Hash of the key, 0 for the one global row."""
        if not self.node.keys:
            return "0::bigint"
        return hashed([prefix + quote(key) for key in self.node.keys])

    def rows(self, plan: Plan) -> str:
        """A plan of the node over what is stored."""
        return render(plan)

    @cached_property
    def own_fits(self) -> tuple[Fit, ...]:
        """The columns whose values must fit the node's own indexes."""
        found = {quote(name): attribute for name, attribute in self.node.outputs}
        names = sorted({name for columns in self.indexes for name in columns})
        types = {name: found[name].type or "" for name in names}
        if names and not all(types.values()):
            items = listing([quote(found[name].name) for name in names])
            rows = self.rows(declared(self.node.plan))
            types = dict(zip(names, self.describe(f"SELECT {items} FROM {nested(rows)} AS s"), strict=True))
        return limits(self.indexes, types, model_of(self.node))

    def fitting(self, row: str, names: Mapping[str, str]) -> list[str]:
        """The conditions that a row fits; `names` are its columns by what they are stored as."""
        called = {quote(stored): f"{row}.{quote(name)}" for stored, name in names.items()}
        return [fits_or_counts(fit, called[fit.value]) for fit in self.own_fits]

    # ---- result --------------------------------------------------------------------------------------------------

    def named(self, sql: str, prefix: str = "s") -> str:
        """Rename a rendered plan's attributes to the stored columns; what is hashed besides is computed only once."""
        items = [f"{prefix}.{quote(a.name)} AS {quote(stored)}" for stored, a in self.node.outputs]
        once = "OFFSET 0" if self.has_key_hash or not self.node.unique else ""
        kept = where(self.fitting(prefix, {stored: a.name for stored, a in self.node.outputs}))
        return lines(clause("SELECT", items), f"FROM {nested(sql)} AS {prefix}", kept, once)

    def with_hidden(self, rows: str) -> str:
        """Add the hash columns to rows of the stored outputs."""
        extra = []
        if self.has_key_hash:
            extra.append(f"{self.key_hash('s.')} AS {KEY_HASH}")
        if not self.node.unique:
            extra.append(f"{hashed(['s.' + quote(name) for name in self.stored])} AS {HASH}")
        return lines(clause("SELECT", ["s.*", *extra]), f"FROM {nested(rows)} AS s")

    def result(self) -> str:
        """The SELECT of everything that the node stores, computed from scratch; not for nodes that call Python."""
        return self.with_hidden(self.named(self.rows(self.node.plan)))

    # ---- tables --------------------------------------------------------------------------------------------------

    def create(self) -> list[str]:
        """Create the state table and its index; columns that cannot be NULL say so."""
        node = self.node
        rows = self.udf_columns() if node.udf is not None else self.result()
        columns = lines(clause("SELECT", self.all_columns()), f"FROM {nested(rows)} AS s", "LIMIT 0")
        made = [f"CREATE TABLE {table(node.name)} WITH (fillfactor = 80) AS\n{columns}"]
        solid = [name for name, a in node.outputs if name in node.keys and not a.nullable]
        made += [f"ALTER TABLE {table(node.name)} ALTER COLUMN {quote(name)} SET NOT NULL" for name in solid]
        made.append(f"CREATE INDEX ON {table(node.name)} ({listing([quote(c) for c in self.identity])})")
        if self.lookup and self.lookup != self.identity:
            made.append(f"CREATE INDEX ON {table(node.name)} ({listing([quote(c) for c in self.lookup])})")
        return made

    def all_columns(self) -> list[str]:
        """Every stored column, quoted, in order."""
        return [quote(name) for name in (*self.stored, *self.hidden)]

    @cached_property
    def typed(self) -> Columns:
        """The stored outputs with their types, as the table has them; their values tell which row a stored row is."""
        names = [quote(name) for name in self.stored]
        return list(
            zip(names, self.describe(f"SELECT {listing(names)} FROM {table(self.node.name)}"), strict=True)
        )

    def udf_columns(self) -> str:
        """A SELECT of the stored columns' types where Python functions compute some: through their SQL declarations."""
        return self.with_hidden(self.named(self.rows(declared(self.node.plan))))
