"""Opens a server in a process of its own, says what it got as one JSON line, and holds it until stdin ends.

Used by tests as a child process that can be killed, or run as another user. With --no-namespace, root is denied user
namespaces, as in a container without that permission.
"""

from __future__ import annotations

import json
import sys

import psycopg

import millstream.server
from millstream.server import identity


def main(home: str, *options: str) -> None:
    if "--no-namespace" in options:
        identity.namespace_refusal = lambda: "denied by the test"
    try:
        server = millstream.server.open(home)
    except millstream.server.ServerError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    with server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            # Openers come at the same time, and each counts once.
            connection.execute("select pg_advisory_lock(1)")
            connection.execute("create table if not exists visits (number int)")
            row = connection.execute(
                "insert into visits select count(*) + 1 from visits returning number"
            ).fetchone()
        answer = {
            "visit": row and row[0],
            "dsn": server.dsn(),
            "pid": server.pid,
            "port": server.port,
            "started": server.started_here,
        }
        print(json.dumps(answer), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
