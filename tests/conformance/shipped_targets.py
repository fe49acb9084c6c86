"""The engines with the project's own models.

A batch engine cannot compute what depends on when people acted: the models with process-time joins. Only two have them
themselves, and both have a driver with one row per key. For these the batch engine keeps a tape: when a driver's row
changes, the model's SQL is evaluated for it, as an ordinary join with what the right sides held after the step before.
All models above, and all others, it computes from scratch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.conformance.shipped import AS_OF, Shipped
from tests.conformance.shipped_history import LATE
from tests.conformance.targets import Closing, Embedded, RisingWave, Sources, risingwave_dsn
from tests.equivalence.cases import Change
from tests.equivalence.engine import Engine
from tests.equivalence.oracles import DuckdbOracle, Result
from tests.project.shop import NON_STRICT
from udfs import blend_v2 as blend

Row = tuple[Any, ...]

SERVED_AT = "MILLSTREAM_UDF_LINK"
"""Address, as RisingWave sees it, of the project's functions: dbt's own variable."""
RANKED = (
    "struct(item_id varchar, score double, strategy varchar, reason_item_id varchar,"
    " strategies varchar[], contributions double[])[]"
)
LISTED = "struct(strategy varchar, reason_item_id varchar, weight double, factor double, item_ids varchar[], scores double[])"
BLEND = '"blend_v2"('
AS_IT_WAS = re.compile(rf'"(\w+)" {re.escape(AS_OF)}')
HASH_BYTE = re.compile(r"get_byte\(decode\((md5\([^()]*\)), 'hex'\), (\d)\)")
UNNESTED = re.compile(r"unnest\((\w+\.(?:recommended|lists))\) with ordinality\s+as (\w+) \([^()]*?(\w+)\)")
EXPANDED = r"""lateral (
    select unnest(\1, recursive := true), generate_subscripts(\1, 1) as \3
) as \2"""
STRUCT = re.compile(r"struct<[^>]*>")
HASHED = {"encode(": "as_text(", "sha256(": "sha256_of(", "convert_to(": "as_bytes("}
MACROS = (
    "create macro hash_byte(digest, n) as cast('0x' || substr(digest, 2 * n + 1, 2) as integer)",
    "create macro regexp_count(value, pattern) as len(regexp_extract_all(value, pattern))",
    # Its hashes take texts and give hexadecimal digits.
    "create macro as_bytes(value, encoding) as value",
    "create macro sha256_of(value) as sha256(value)",
    "create macro as_text(value, form) as value",
    # DuckDB rounds '1.5' to an integer, PostgreSQL and RisingWave refuse it.
    "create macro whole_number(value) as"
    " case when regexp_full_match(value, '[+-]?[0-9]+') then try_cast(value as integer) end",
)
"""What DuckDB has otherwise: bytes of a hash, counts of matches, texts that are whole numbers."""


class Recommender(Embedded):
    """The embedded engine on a database in which the project is deployed."""

    def __init__(self, dsn: str, shipped: Shipped) -> None:
        self.models = [node.name for node in shipped.relations]
        self.engine = Engine(dsn)
        self.engine.read_structs("rank_user_list")
        self.now = datetime.min.replace(tzinfo=UTC)
        self._columns = {name: self.engine.read(name).names for name in self.models}

    def flush(self, now: datetime) -> None:
        self.now = now
        super().flush(now)

    def read(self, model: str) -> Result:
        return Result(self._columns[model], (), self.query(f"select * from {model}"))

    def query(self, select: str) -> list[Row]:
        """Rows of a SELECT at the moment of the last tick."""
        return self.engine.query_at(self.now, select)


@dataclass
class Tape:
    """A model with process-time joins: its driver, the driver's key, and its rows by that key."""

    driver: str
    key: tuple[str, ...]
    drivers: dict[Row, Row] = field(default_factory=dict)
    rows: dict[Row, list[Row]] = field(default_factory=dict)

    def act(self, drivers: Result, evaluated: Result, finish: Callable[[Row], Row]) -> None:
        """Take the rows, finished, of the keys whose driver row changed; fails where a cluster might not look again."""
        current = dict(keyed(drivers, self.key))
        computed: dict[Row, list[Row]] = {}
        for key, row in keyed(evaluated, self.key):
            computed.setdefault(key, []).append(row)
        acted = drivers.names.index("acted_at") if "acted_at" in drivers.names else None
        for key in self.drivers.keys() | current.keys():
            before, after = self.drivers.get(key), current.get(key)
            if before == after:
                continue
            assert acted is None or before is None or after is None or before[acted] != after[acted], (
                f"{key} has other recent items with the same acted_at: the history is not one for a cluster"
            )
            self.rows[key] = [finish(row) for row in computed.get(key, [])]
        self.drivers = current


def keyed(result: Result, key: tuple[str, ...]) -> Iterator[tuple[Row, Row]]:
    """Rows with their keys."""
    places = [result.names.index(name) for name in key]
    for row in result.rows:
        yield tuple(row[place] for place in places), row


class Reference(Closing):
    """DuckDB, over source rows that a model in Python keeps. A model is a table, refilled from a view `<model>__now`."""

    def __init__(self, shipped: Shipped) -> None:
        self.models: Sequence[str] = [node.name for node in shipped.relations]
        self.tapes = {
            "feat_pair_scores": Tape("feat_item_pairs", ("item_a", "item_b")),
            "rank_user_list": Tape("feat_user_recent", ("user_id",)),
        }
        self.failures = 0
        blend.look_up = self._look_up
        self.duckdb = DuckdbOracle()
        self.sources = Sources(shipped.tables)
        self._parsed: set[Row] = set()
        self._links: set[Row] = set()
        self._computed = [node for node in shipped.relations if node.kind != "table"]
        assert {node.name for node in self._computed if node.is_on_act} == set(self.tapes)
        self._looked_up = sorted({name for node in self._computed for name in AS_IT_WAS.findall(node.query)})
        for macro in MACROS:
            self.duckdb.execute(macro)
        for node in shipped.relations:
            if node.kind == "table":
                self.duckdb.create_table(node.table.mirror_ddl)
            else:
                self.duckdb.create_view(f"{node.name}__now", for_duckdb(node.query))
                shape = (
                    "select * replace (cast(null as {RANKED}) as recommended)" if BLEND in node.query else ""
                )
                self.duckdb.execute(
                    f"create table {node.name} as {shape.format(RANKED=RANKED)} from {node.name}__now limit 0"
                )
            if node.name in self._looked_up:
                self.duckdb.execute(f"create table before_{node.name} as from {node.name}")

    def close(self) -> None:
        self.duckdb.__exit__(None, None, None)

    def execute(self, change: Change) -> None:
        self.sources.execute(change)

    def read(self, model: str) -> Result:
        return self.duckdb.read(model)

    def flush(self, now: datetime) -> None:
        self.duckdb.set_now(now)
        self.look()
        for name in self.sources.models:
            if name != "events":
                self._load(name)
        self._copy_messages()
        self._load("events")
        self._compute("stg_known_ids")
        self._copy_links()
        self._load("past_identities")
        for node in self._computed:
            if node.name in self.tapes:
                self._act(node.name)
            else:
                self._compute(node.name)

    def _compute(self, name: str) -> None:
        self.duckdb.execute(f"delete from {name}")
        self.duckdb.execute(f"insert into {name} from {name}__now")

    def look(self) -> None:
        """Keep what the right sides hold."""
        for name in self._looked_up:
            self.duckdb.execute(f"create or replace table before_{name} as from {name}")

    def _load(self, table: str) -> None:
        source = self.sources.models[table]
        self.duckdb.load(table, source.rows.values())

    def _copy_messages(self) -> None:
        """What the sink of parsed messages does: its rows follow those of the statements."""
        parsed = set(self.duckdb.read("stg_events_raw_parsed__now").rows)
        self.sources.models["events"].insert(sorted(parsed - self._parsed, key=repr))
        self._parsed = parsed

    def _copy_links(self) -> None:
        """What the sink of links does."""
        links = set(self.duckdb.read("stg_identities_hashed__now").rows)
        self.sources.models["past_identities"].insert(sorted(links - self._links))
        self._links |= links

    def _act(self, name: str) -> None:
        tape = self.tapes[name]
        evaluated = self.duckdb.read(f"{name}__now")

        def finish(row: Row) -> Row:
            if "recommended" not in evaluated.names:
                return row
            place = evaluated.names.index("recommended")
            return (*row[:place], self._blend(row[place]), *row[place + 1 :])

        tape.act(self.duckdb.read(tape.driver), evaluated, finish)
        self.duckdb.load(name, [row for rows in tape.rows.values() for row in rows])

    def _look_up(self, relation: str, keys: Collection[str]) -> dict[str, blend.Facts]:
        """What the blend looks up: the source as it is in this tick."""
        key, columns = blend.LOOKED_UP[relation]
        found = self.duckdb.read(relation)
        places = [found.names.index(name) for name in (key, *columns)]
        rows = (tuple(row[place] for place in places) for row in found.rows)
        return {row[0]: row[1:] for row in rows if row[0] in keys}

    def _blend(self, arguments: Sequence[Any]) -> list[Any] | None:
        try:
            return list(blend.blend_v2(*arguments))
        except (TypeError, ValueError):
            self.failures += 1
            return None


def for_duckdb(query: str) -> str:
    """A model's query without what sqlglot does not translate, and with the right sides as they were before."""
    query = AS_IT_WAS.sub(r"before_\1", query)
    query = HASH_BYTE.sub(r"hash_byte(\1, \2)", query)
    query = UNNESTED.sub(EXPANDED, query)
    query = STRUCT.sub(LISTED, query).replace("cardinality(", "len(")
    query = query.replace(BLEND, "row(")
    for there, here in HASHED.items():
        query = query.replace(there, here)
    return NON_STRICT.sub(
        lambda found: (
            f"whole_number({found[1]})" if found[2] == "integer" else f"try_cast({found[1]} as {found[2]})"
        ),
        query,
    )


def shipped_risingwave(shipped: Shipped) -> RisingWave:
    """A RisingWave with the project in a schema; without a functions' server it lacks the lists."""
    link = os.environ.get(SERVED_AT, "")
    there = shipped if link else shipped.without("blend_v2")
    return RisingWave(
        risingwave_dsn(),
        there.tables,
        [node.name for node in there.relations],
        lambda schema: there.in_schema(schema, link),
        LATE,
    )
