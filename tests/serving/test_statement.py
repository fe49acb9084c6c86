"""The statement as each driver wants it: pasted, it gives what the documented one gives; filters may be left out by NULL."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy as sa

from millstream.recommend.statement import DRIVERS, FILTERS, PARAMETERS, statement
from millstream.server.address import jdbc, sqlalchemy, url
from tests.serving.shop import Shop

K = 5
NONE = dict.fromkeys(FILTERS)


@pytest.mark.parametrize("filters", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_in_it_is_taken_for_a_parameter_that_is_none(driver: str, filters: bool) -> None:
    text = statement(driver, filters=filters)
    names = [*PARAMETERS, *(FILTERS if filters else ())]
    assert "::" not in text
    assert text.count("?") == (len(names) if driver == "jdbc" else 0)
    assert text.count("%s") == (len(names) if driver == "psycopg-positional" else 0)
    assert set(re.findall(r":(\w+)", text)) == (set(names) if driver == "sqlalchemy" else set())
    assert set(re.findall(r"@(\w+)", text)) == (set(names) if driver == "pgx-named" else set())
    assert set(re.findall(r"%\((\w+)\)s", text)) == (set(names) if driver == "psycopg" else set())
    numbered = driver in ("psql", "asyncpg", "node-postgres", "pgx")
    assert set(re.findall(r"\$(\d+)", text)) == (
        {str(n + 1) for n in range(len(names))} if numbered else set()
    )
    assert ("your conditions" in text) is not filters


def test_the_addresses_of_both_forms_of_libpq() -> None:
    keywords = "host=::1 port=5433 dbname='a b' user=u password='p/@ ?' sslmode=require options='-c jit=off'"
    assert url(keywords) == "postgresql://u:p%2F%40%20%3F@[::1]:5433/a%20b?sslmode=require"
    assert sqlalchemy(keywords).startswith("postgresql+psycopg://u:p%2F%40%20%3F@[::1]:5433/")
    plain = "postgresql://u:p@127.0.0.1:5433/millstream"
    assert url(plain) == plain
    assert jdbc(plain) == "jdbc:postgresql://127.0.0.1:5433/millstream?user=u&password=p"
    assert psycopg.conninfo.conninfo_to_dict(url(keywords))["password"] == "p/@ ?"


def filtered(shop: Shop, user: str = "ann", k: int = K, **filters: Any) -> list[dict[str, Any]]:
    given = {"user_id": user, "k": k, **NONE, **filters}
    return shop.reader.execute(statement("psycopg", filters=True).encode(), given).fetchall()


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["item_id"] for row in rows]


@pytest.mark.parametrize("user", ["ann", "newcomer", "nobody"])
def test_filters_keep_the_order_and_fill_up_behind(shop: Shop, user: str) -> None:
    for number in range(9):
        shop.writer.execute(
            "update items set price = %s, brand = %s, image_url = %s where item_id = %s",
            [number, "north" if number % 2 else None, f"i{number}.jpg", f"i{number}"],
        )
    shop.flush()
    everything = shop.recommend(user, 9)
    assert {row["image_url"] for row in everything} == {f"{row['item_id']}.jpg" for row in everything}
    assert ids(filtered(shop, user, 9)) == ids(everything)
    wanted: list[tuple[dict[str, Any], Any]] = [
        ({"categories": ["tea"]}, lambda row: row["category"] == "tea"),
        ({"categories": ["tea", "cake"]}, lambda _: True),
        ({"categories": []}, lambda _: False),
        ({"brands": ["north"]}, lambda row: row["brand"] == "north"),
        ({"lowest_price": 2, "highest_price": 6.5}, lambda row: 2 <= row["price"] <= 6.5),
        ({"excluded_item_ids": ["i1", "i6"]}, lambda row: row["item_id"] not in ("i1", "i6")),
        (
            {"categories": ["cake"], "brands": ["north"], "excluded_item_ids": ["i1"]},
            lambda row: row["category"] == "cake" and row["brand"] == "north" and row["item_id"] != "i1",
        ),
    ]
    for filters, passes in wanted:
        rows = filtered(shop, user, **filters)
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        if user == "nobody":  # whose tiers do not depend on how many rows those above have
            assert ids(rows) == [row["item_id"] for row in everything if passes(row)][:K], filters
        assert set(ids(rows)) <= {row["item_id"] for row in everything if passes(row)}
        assert len(rows) == min(K, sum(map(passes, everything))), filters


def test_what_rows_carry_is_as_of_now(shop: Shop) -> None:
    first = shop.recommend("ann", 1)[0]
    shop.writer.execute("update items set price = 7.25, brand = 'new' where item_id = %s", [first["item_id"]])
    shop.flush()
    now = shop.recommend("ann", 1)[0]
    assert (now["item_id"], now["rec_id"], now["price"], now["brand"]) == (
        first["item_id"],
        first["rec_id"],
        7.25,
        "new",
    )
    assert all(type(now[name]) is int for name in ("rank", "slot", "tier"))


def test_psycopg_pasted(shop: Shop) -> None:
    expected = ids(shop.recommend("ann", K))
    with psycopg.connect(shop.dsns["reader"]) as connection:
        for _ in range(2):
            named = connection.execute(
                statement("psycopg").encode(), {"user_id": "ann", "k": K}, prepare=True
            )
            assert [row[1] for row in named] == expected
            counted = connection.execute(statement("psycopg-positional").encode(), ["ann", K], prepare=True)
            assert [row[1] for row in counted] == expected
            given = ["ann", K, ["tea"], None, None, 100, ["i6"]]
            text = statement("psycopg-positional", filters=True)
            shop_rows = ids(filtered(shop, categories=["tea"], excluded_item_ids=["i6"], highest_price=100))
            assert [row[1] for row in connection.execute(text.encode(), given)] == shop_rows


def test_psycopg2_pasted(shop: Shop) -> None:
    connection = psycopg2.connect(shop.dsns["reader"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement("psycopg"), {"user_id": "ann", "k": K})
            assert [row[1] for row in cursor.fetchall()] == ids(shop.recommend("ann", K))
            cursor.execute(
                statement("psycopg", filters=True), {"user_id": "ann", "k": K, **NONE, "categories": ["tea"]}
            )
            assert [row[1] for row in cursor.fetchall()] == ids(filtered(shop, categories=["tea"]))
    finally:
        connection.close()


def test_asyncpg_pasted(shop: Shop) -> None:
    """It asks the server what each parameter is, and takes nothing else."""

    async def read(*given: object) -> list[str]:
        connection = await asyncpg.connect(url(shop.dsns["reader"]))
        try:
            text = statement("asyncpg", filters=len(given) > 2)
            return [row["item_id"] for row in await connection.fetch(text, *given)]
        finally:
            await connection.close()

    assert asyncio.run(read("ann", K)) == ids(shop.recommend("ann", K))
    tea = ids(filtered(shop, categories=["tea"]))
    assert asyncio.run(read("ann", K, ["tea"], None, None, None, None)) == tea
    assert asyncio.run(read("ann", K, ["tea"], None, None, None, [])) == tea
    with pytest.raises(asyncpg.DataError, match="expected str, got int"):
        asyncio.run(read(1, K))


def test_sqlalchemy_pasted(shop: Shop) -> None:
    engine = sa.create_engine(sqlalchemy(shop.dsns["reader"]))
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text(statement("sqlalchemy")), {"user_id": "ann", "k": K})
            assert [row.item_id for row in rows] == ids(shop.recommend("ann", K))
            given = {"user_id": "ann", "k": K, **NONE, "brands": None, "categories": ["tea"]}
            rows = connection.execute(sa.text(statement("sqlalchemy", filters=True)), given)
            assert [row.item_id for row in rows] == ids(filtered(shop, categories=["tea"]))
    finally:
        engine.dispose()


def test_psql_pasted(shop: Shop) -> None:
    with psycopg.connect(shop.dsns["reader"], autocommit=True) as connection:
        connection.execute(statement("psql").encode())
        assert [row[1] for row in connection.execute(f"execute recommend ('ann', {K})".encode())] == ids(
            shop.recommend("ann", K)
        )
