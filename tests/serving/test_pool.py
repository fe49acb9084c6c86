"""The pools of docs/howto/security.md, as that page has them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.readers import PAGE, measure, pool_of_the_page
from millstream.server.process import wait_until
from tests.serving.shop import Shop

READERS = 60
NOBODY = 65534


def test_the_pool_in_python_serves_many_more_readers_than_it_has_connections(resting: Shop) -> None:
    found = asyncio.run(measure(resting.dsns["reader"], ["ann", "bob"], READERS, rate=5, seconds=2))
    assert found["first_error"] is None
    assert found["reads"] >= READERS * 5
    page = pool_of_the_page()

    async def read() -> list[tuple[object, ...]]:
        async with page["make_pool"](resting.dsns["reader"]) as pool:
            return list(await page["recommendations"](pool, "ann", 5))

    expected = resting.reader.execute(
        "select item_id, rank from serve_recommendations where user_id = 'ann' order by rank limit 5"
    ).fetchall()
    assert [(row[0], row[2]) for row in asyncio.run(read())] == [(r["item_id"], r["rank"]) for r in expected]


@pytest.fixture
def pgbouncer(resting: Shop, tmp_path: Path) -> Iterator[tuple[str, bool]]:
    """A running pgbouncer with the configuration of the page: its connection string, and whether it knows prepared
    statements."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("pgbouncer is not installed (apt install pgbouncer)")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"PgBouncer (\d+)\.(\d+)", told)
    assert version is not None
    prepares = (int(version[1]), int(version[2])) >= (1, 21)
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))  # pytest's own directory is private to its user
    server = conninfo_to_dict(resting.dsns["reader"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = next(text for text in re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.S))
    text = text.replace("port=5433 dbname=millstream", f"port={server['port']} dbname={server['dbname']}")
    text = text.replace("listen_port = 6432", f"listen_port = {port}")
    text = text.replace("/etc/pgbouncer/userlist.txt", str(folder / "userlist.txt"))
    if not prepares:
        text = text.replace("max_prepared_statements = 100\n", "")
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "userlist.txt").write_text(f'"{server["user"]}" "{server["password"]}"\n')
    log = (tmp_path / "log").open("wb")
    if os.geteuid() == 0:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    other = NOBODY if os.geteuid() == 0 else None
    process = subprocess.Popen(
        [program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, user=other, group=other
    )
    try:

        def listens() -> bool:
            with closing(socket.socket()) as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        assert wait_until(lambda: process.poll() is not None or listens(), 20)
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield (
            make_conninfo(
                host="127.0.0.1",
                port=port,
                dbname="millstream",
                user=server["user"],
                password=server["password"],
            ),
            prepares,
        )
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        shutil.rmtree(folder)


def test_pgbouncer_serves_clients_that_prepare_and_that_do_not(pgbouncer: tuple[str, bool]) -> None:
    dsn, prepares = pgbouncer
    query = "select item_id from serve_recommendations where user_id = %s order by rank limit 5"
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0 if prepares else None) as one:
        rows = [one.execute(query, ["ann"]).fetchall() for _ in range(3)]
    assert len(rows[0]) == 5 and rows[0] == rows[1] == rows[2]


def test_pgbouncer_shares_sixteen_connections_among_many(pgbouncer: tuple[str, bool]) -> None:
    dsn, _ = pgbouncer
    clients = [psycopg.connect(dsn, autocommit=True, prepare_threshold=None) for _ in range(READERS)]
    try:
        pids = {client.execute("select pg_backend_pid()").fetchone() for client in clients}
    finally:
        for client in clients:
            client.close()
    assert len(pids) <= 16
