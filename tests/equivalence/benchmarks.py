"""The queries of TPC-H and of CH-benCHmark over tiny tables that change: what they read, and rows that make them answer.

Values come from few, so that joins meet and the constants of the queries are often hit. The two benchmarks are data:
`tpch/` and `ch/` hold the tables and the queries, one a file.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

Row = dict[str, Any]
Draw = Callable[["Shop"], Row]


@dataclass(frozen=True)
class Benchmark:
    """A folder of queries; `tables` draw rows, in the order in which their rows refer to one another."""

    name: str
    tables: dict[
        str, tuple[tuple[str, ...], int, Draw]
    ]  # name → key, how many rows at first, how to draw one

    @cached_property
    def declarations(self) -> dict[str, str]:
        """CREATE TABLE by table."""
        texts = (HERE / self.name / "tables.sql").read_text().split(";")
        return {text.split()[2]: text.strip() for text in texts}

    @cached_property
    def queries(self) -> dict[str, str]:
        """The queries by name."""
        return {file.stem: file.read_text() for file in sorted((HERE / self.name).glob("q*.sql"))}


@dataclass
class Shop:
    """The rows that there are, and where choices come from."""

    benchmark: Benchmark
    random: random.Random

    def __post_init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in self.benchmark.tables}

    def pick(self, *values: Any) -> Any:
        return self.random.choice(values)

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def one(self, table: str) -> Row:
        """A row of a table that may be referred to."""
        return self.random.choice(list(self.rows[table].values()))

    def fill(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Statements that write the first rows."""
        for name, (_, count, _) in self.benchmark.tables.items():
            for _ in range(count):
                yield from self.insert(name)

    def changes(self, count: int) -> Iterator[tuple[str, Sequence[Any]]]:
        """Some statements: rows that come, go, and change."""
        names = list(self.benchmark.tables)
        weights = [len(rows) for rows in self.rows.values()]
        for _ in range(count):
            (name,) = self.random.choices(names, weights)
            act = self.random.choice((self.insert, self.insert, self.update, self.update, self.delete))
            yield from act(name)

    def insert(self, name: str) -> Iterator[tuple[str, Sequence[Any]]]:
        """Write a row that is not there yet."""
        key, _, draw = self.benchmark.tables[name]
        row = draw(self)
        place = tuple(row[column] for column in key)
        if place not in self.rows[name]:
            self.rows[name][place] = row
            marks = ", ".join(["%s"] * len(row))
            yield f"insert into {name} ({', '.join(row)}) values ({marks})", list(row.values())

    def update(self, name: str) -> Iterator[tuple[str, Sequence[Any]]]:
        """Write some columns of a row again."""
        key, _, draw = self.benchmark.tables[name]
        if self.rows[name]:
            place, row = self.random.choice(list(self.rows[name].items()))
            fresh = {column: value for column, value in draw(self).items() if column not in key}
            changed = dict(self.random.sample(list(fresh.items()), min(2, len(fresh))))
            row.update(changed)
            if changed:
                sets = ", ".join(f"{column} = %s" for column in changed)
                yield f"update {name} set {sets} where {where(key)}", [*changed.values(), *place]

    def delete(self, name: str) -> Iterator[tuple[str, Sequence[Any]]]:
        """Take a row away, unless others could not be drawn without it."""
        key, _, _ = self.benchmark.tables[name]
        if len(self.rows[name]) > 3:
            place = self.random.choice(list(self.rows[name]))
            del self.rows[name][place]
            yield f"delete from {name} where {where(key)}", list(place)


def where(key: Sequence[str]) -> str:
    return " and ".join(f"{column} = %s" for column in key)


# ---- TPC-H ----------------------------------------------------------------------------------------------------------

REGIONS = ("AFRICA", "AMERICA", "ASIA", "EUROPE")
NATIONS = (
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("SAUDI ARABIA", 2),
    ("INDIA", 2),
)
BRANDS = (("Brand#12", "SM BOX"), ("Brand#23", "MED BOX"), ("Brand#45", "LG PKG"))
ORDERED = (
    date(1993, 7, 15),
    date(1993, 10, 15),
    date(1994, 3, 1),
    date(1995, 1, 20),
    date(1995, 7, 20),
    date(1995, 12, 20),
)


def region(shop: Shop) -> Row:
    number = shop.number(0, 3)
    return {"r_regionkey": number, "r_name": REGIONS[number]}


def nation(shop: Shop) -> Row:
    number = shop.number(0, len(NATIONS) - 1)
    name, of = NATIONS[number]
    return {"n_nationkey": number, "n_name": name, "n_regionkey": of}


def supplier(shop: Shop) -> Row:
    number = shop.number(1, 14)
    return {
        "s_suppkey": number,
        "s_name": f"Supplier#{number}",
        "s_address": shop.pick("here", "there"),
        "s_nationkey": shop.pick(None, *range(len(NATIONS)), *range(len(NATIONS))),
        "s_phone": f"{shop.number(10, 34)}-555",
        "s_acctbal": shop.number(-100, 9000),
        "s_comment": shop.pick("fine", "fine", "Customer has Complaints", None),
    }


def customer(shop: Shop) -> Row:
    number = shop.number(1, 20)
    return {
        "c_custkey": number,
        "c_name": f"Customer#{number}",
        "c_address": shop.pick("here", "there"),
        "c_nationkey": shop.number(0, len(NATIONS) - 1),
        "c_phone": f"{shop.pick('13', '31', '23', '17', '99')}-555",
        "c_acctbal": shop.number(-100, 9000),
        "c_mktsegment": shop.pick("BUILDING", "MACHINERY"),
        "c_comment": shop.pick("fine", "regular"),
    }


def part(shop: Shop) -> Row:
    number = shop.number(1, 12)
    brand, container = shop.pick(*BRANDS)
    return {
        "p_partkey": number,
        "p_name": shop.pick("forest green", "green lace", "forest blush", "blue lace"),
        "p_mfgr": shop.pick("Manufacturer#1", "Manufacturer#2"),
        "p_brand": brand,
        "p_type": shop.pick("ECONOMY ANODIZED STEEL", "PROMO BURNISHED BRASS", "MEDIUM POLISHED BRASS"),
        "p_size": shop.pick(15, 15, 3, 5),
        "p_container": container,
    }


def partsupp(shop: Shop) -> Row:
    return {
        "ps_partkey": shop.one("part")["p_partkey"],
        "ps_suppkey": shop.one("supplier")["s_suppkey"],
        "ps_availqty": shop.number(1, 60),
        "ps_supplycost": shop.number(1, 5),
    }


def order(shop: Shop) -> Row:
    return {
        "o_orderkey": shop.number(1, 60),
        "o_custkey": shop.pick(None, *range(1, 15)),
        "o_orderstatus": shop.pick("F", "F", "O"),
        "o_totalprice": shop.number(100, 900),
        "o_orderdate": shop.pick(*ORDERED) + timedelta(days=shop.number(0, 40)),
        "o_orderpriority": shop.pick("1-URGENT", "2-HIGH", "5-LOW"),
        "o_shippriority": 0,
        "o_comment": shop.pick("fine", "special kind of requests", None),
    }


def lineitem(shop: Shop) -> Row:
    ordered, offer = shop.one("orders"), shop.one("partsupp")
    shipped = ordered["o_orderdate"] + timedelta(days=shop.number(5, 80))
    committed = shipped + timedelta(days=shop.number(-10, 20))
    return {
        "l_orderkey": ordered["o_orderkey"],
        "l_linenumber": shop.number(1, 4),
        "l_partkey": offer["ps_partkey"],
        "l_suppkey": offer["ps_suppkey"],
        "l_quantity": shop.number(1, 30),
        "l_extendedprice": shop.number(100, 500),
        "l_discount": shop.pick("0.00", "0.05", "0.06", "0.07"),
        "l_tax": shop.pick("0.00", "0.02"),
        "l_returnflag": shop.pick("R", "A", "N"),
        "l_linestatus": shop.pick("O", "F"),
        "l_shipdate": shipped,
        "l_commitdate": committed,
        "l_receiptdate": shipped + timedelta(days=shop.number(1, 25)),
        "l_shipinstruct": shop.pick("DELIVER IN PERSON", "DELIVER IN PERSON", "DELIVER IN PERSON", "NONE"),
        "l_shipmode": shop.pick("AIR", "AIR", "MAIL", "SHIP"),
    }


TPCH = Benchmark(
    "tpch",
    {
        "region": (("r_regionkey",), 30, region),
        "nation": (("n_nationkey",), 40, nation),
        "supplier": (("s_suppkey",), 40, supplier),
        "customer": (("c_custkey",), 50, customer),
        "part": (("p_partkey",), 20, part),
        "partsupp": (("ps_partkey", "ps_suppkey"), 60, partsupp),
        "orders": (("o_orderkey",), 80, order),
        "lineitem": (("l_orderkey", "l_linenumber"), 250, lineitem),
    },
)


# ---- CH-benCHmark ---------------------------------------------------------------------------------------------------

CH_NATIONS = (
    ("Germany", 65, 1),
    ("Cambodia", 66, 2),
    ("France", 67, 1),
)  # a nation's key is the code of a letter
DAYS = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year, month, day in ((2006, 12, 30), (2008, 5, 1), (2010, 6, 1), (2011, 12, 28))
)


def ch_region(shop: Shop) -> Row:
    number = shop.number(1, 2)
    return {"r_regionkey": number, "r_name": ("Europe", "Asia")[number - 1]}


def ch_nation(shop: Shop) -> Row:
    name, number, of = shop.pick(*CH_NATIONS)
    return {"n_nationkey": number, "n_name": name, "n_regionkey": of}


def ch_supplier(shop: Shop) -> Row:
    number = shop.number(1, 12)
    return {
        "su_suppkey": number,
        "su_name": f"Supplier {number}",
        "su_address": shop.pick("here", "there"),
        "su_nationkey": shop.pick(None, 65, 66, 67, 65, 66, 67),
        "su_phone": shop.pick("1-555", "2-555"),
        "su_comment": shop.pick("good", "good", "a bad one", None),
    }


def ch_customer(shop: Shop) -> Row:
    return {
        "c_id": shop.number(1, 5),
        "c_d_id": shop.number(1, 2),
        "c_w_id": shop.number(1, 3),
        "c_last": shop.pick("BAR", "OUGHT", "ABLE"),
        "c_city": shop.pick("X", "Y"),
        "c_state": shop.pick("AA", "BB", "CC"),
        "c_phone": shop.pick("1-555", "5-555", "9-555"),
        "c_balance": shop.number(-10, 500),
    }


def ch_item(shop: Shop) -> Row:
    number = shop.number(1, 8)
    return {
        "i_id": number,
        "i_name": f"Item {number}",
        "i_price": shop.number(1, 90),
        "i_data": shop.pick("coabb", "coabb", "prbb", "coa", "zzc"),
    }


def ch_stock(shop: Shop) -> Row:
    return {
        "s_i_id": shop.number(1, 8),
        "s_w_id": shop.number(1, 3),
        "s_quantity": shop.number(1, 40),
        "s_order_cnt": shop.number(0, 9),
    }


def ch_order(shop: Shop) -> Row:
    return {
        "o_id": shop.number(1, 12),
        "o_d_id": shop.number(1, 2),
        "o_w_id": shop.number(1, 3),
        "o_c_id": shop.number(1, 4),
        "o_entry_d": shop.pick(*DAYS) + timedelta(days=shop.number(0, 10)),
        "o_carrier_id": shop.pick(1, 2, 3, 9, 10, None),
        "o_ol_cnt": shop.number(1, 4),
    }


def ch_neworder(shop: Shop) -> Row:
    ordered = shop.one("orders")
    return {f"no_{name}": ordered[f"o_{source}"] for name, source in IDS}


IDS = (("o_id", "id"), ("d_id", "d_id"), ("w_id", "w_id"))


def ch_orderline(shop: Shop) -> Row:
    ordered = shop.one("orders")
    return {
        **{f"ol_{name}": ordered[f"o_{source}"] for name, source in IDS},
        "ol_number": shop.number(1, 3),
        "ol_i_id": shop.pick(None, *range(1, 9), *range(1, 9)),
        "ol_supply_w_id": shop.number(1, 3),
        "ol_delivery_d": shop.pick(None, *DAYS, *DAYS),
        "ol_quantity": shop.number(1, 12),
        "ol_amount": shop.number(1, 200),
    }


CH = Benchmark(
    "ch",
    {
        "region": (("r_regionkey",), 6, ch_region),
        "nation": (("n_nationkey",), 10, ch_nation),
        "supplier": (("su_suppkey",), 25, ch_supplier),
        "customer": (("c_id", "c_d_id", "c_w_id"), 40, ch_customer),
        "item": (("i_id",), 20, ch_item),
        "stock": (("s_i_id", "s_w_id"), 40, ch_stock),
        "orders": (("o_id", "o_d_id", "o_w_id"), 50, ch_order),
        "neworder": (("no_o_id", "no_d_id", "no_w_id"), 15, ch_neworder),
        "orderline": (("ol_o_id", "ol_d_id", "ol_w_id", "ol_number"), 110, ch_orderline),
    },
)
