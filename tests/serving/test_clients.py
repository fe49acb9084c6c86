"""Real clients: what an application would use to write events and to read recommendations."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from typing import Any

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import pytest

from millstream.server import find_client
from tests.serving.shop import DAY, Shop, recommend_statement

K = 5


@pytest.fixture
def expected(shop: Shop) -> list[tuple[Any, ...]]:
    return [(row["rank"], row["item_id"], row["source"]) for row in shop.recommend("ann", K)]


def test_psycopg_with_a_prepared_statement(shop: Shop, expected: list[tuple[Any, ...]]) -> None:
    with psycopg.connect(shop.dsns["reader"]) as connection, psycopg.RawCursor(connection) as cursor:
        for _ in range(3):
            rows = cursor.execute(recommend_statement().encode(), ("ann", K), prepare=True).fetchall()
            assert [(row[0], row[1], row[-1]) for row in rows] == expected
        prepared = connection.execute("select count(*) from pg_prepared_statements").fetchone()
        assert prepared == (1,)


def test_psycopg_async(shop: Shop, expected: list[tuple[Any, ...]]) -> None:
    async def read() -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(shop.dsns["reader"]) as connection:
            cursor = psycopg.AsyncRawCursor(connection)
            await cursor.execute(recommend_statement().encode(), ("ann", K), prepare=True)
            return [(row[0], row[1], row[-1]) for row in await cursor.fetchall()]

    assert asyncio.run(read()) == expected


def test_psycopg2_with_prepare_and_execute(shop: Shop, expected: list[tuple[Any, ...]]) -> None:
    connection = psycopg2.connect(shop.dsns["reader"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"prepare recommend (varchar, integer) as {recommend_statement()}")
            cursor.execute("execute recommend (%s, %s)", ("ann", K))
            assert [(row[0], row[1], row[-1]) for row in cursor.fetchall()] == expected
    finally:
        connection.close()


def test_asyncpg(shop: Shop, expected: list[tuple[Any, ...]]) -> None:
    async def read() -> list[tuple[Any, ...]]:
        given = psycopg.conninfo.conninfo_to_dict(shop.dsns["reader"])
        connection = await asyncpg.connect(
            host=given["host"],
            port=int(given["port"]),
            user=given["user"],
            password=given["password"],
            database=given["dbname"],
        )
        try:
            statement = await connection.prepare(recommend_statement())
            return [(row["rank"], row["item_id"], row["source"]) for row in await statement.fetch("ann", K)]
        finally:
            await connection.close()

    assert asyncio.run(read()) == expected


def psql(dsn: str, *commands: str, given: str = "") -> str:
    """Run commands in psql; its standard input is what a COPY from stdin reads."""
    program = find_client("psql")
    assert program is not None, "the PostgreSQL wheel brings psql"
    options = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [
            program,
            dsn,
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            *options,
        ],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_psql_copies_events_in_waits_and_reads(shop: Shop) -> None:
    lines = "".join(
        f"copied-{n},view_item,copy,i{n},{shop.now - DAY / 2},{shop.now - DAY / 2}\n" for n in (0, 1)
    )
    columns = "event_id, event_type, user_id, item_id, occurred_at, received_at"
    psql(
        shop.dsns["writer"],
        f"\\copy events ({columns}) from pstdin with (format csv)",
        "call millstream.flush()",
        given=lines,
    )
    read = psql(
        shop.dsns["reader"], "select source from serve_recommendations where user_id = 'copy' limit 1"
    )
    assert read.strip() == "personal"


def test_writing_with_one_driver_and_reading_with_another(shop: Shop) -> None:
    connection = psycopg2.connect(shop.dsns["writer"])
    try:
        with connection, connection.cursor() as cursor:
            psycopg2.extras.execute_values(
                cursor,
                "insert into events (event_id, event_type, user_id, item_id, occurred_at, received_at) values %s",
                [("p2-1", "view_item", "driver", "i1", shop.now - DAY, shop.now - DAY)],
            )
        with connection, connection.cursor() as cursor:
            cursor.execute("call millstream.flush()")
    finally:
        connection.close()
    assert shop.items("driver", 1) == ["i0"]


def test_many_readers_at_once_get_the_same_answer(shop: Shop, expected: list[tuple[Any, ...]]) -> None:
    answers: list[list[tuple[Any, ...]]] = []

    def read() -> None:
        with psycopg.connect(shop.dsns["reader"]) as connection, psycopg.RawCursor(connection) as cursor:
            rows = cursor.execute(recommend_statement().encode(), ("ann", K)).fetchall()
            answers.append([(row[0], row[1], row[-1]) for row in rows])

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    assert answers == [expected] * 8


@pytest.mark.parametrize("statement", ["select count(*) from events", "select * from rank_user_list"])
def test_the_readers_role_sees_serving_views_alone(shop: Shop, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.reader.execute(statement.encode())
