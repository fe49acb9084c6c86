"""Who has how many connections, and an end to logins that never come to theirs.

A login takes one of PostgreSQL's slots before it has shown a password. Logins that stop in the middle end after
`authentication_timeout`; where they take so many slots that the owner might not get one, they are ended sooner.
"""

from __future__ import annotations

import signal
import time
from collections import Counter

import psycopg

from millstream.server.home import ROLES
from millstream.server.process import children, send, title
from millstream.server.settings import OWNERS

RESERVE = OWNERS + 20
"""So many slots are kept free of logins that are under way: those of the owner, and some for everybody."""
PATIENCE = 1.0
"""How long a login is left alone even then, in seconds."""


def end_half_open(connection: psycopg.Connection, postmaster: int) -> int:
    """End logins that stopped in the middle, the oldest first, while fewer than `RESERVE` slots are free; say how many.

    `connection` is the owner's, in autocommit, and stays open: when slots are short, it is too late to make one. Also
    ended are processes of the server that have not even said who they are.
    """
    seen = children(
        postmaster
    )  # first: whoever is missing in the answer was there before and has no slot yet
    row = connection.execute(
        "select current_setting('max_connections')::int - count(*) filter (where backend_type = 'client backend'),"
        " coalesce(array_agg(pid order by backend_start) filter ("
        "     where state = 'starting' and clock_timestamp() - backend_start > make_interval(secs => %s)), '{}'),"
        " array_agg(pid), current_setting('max_connections')::int"
        " from pg_stat_activity",
        [PATIENCE],
    ).fetchone()
    assert row is not None
    free, starting, known, most = row
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    silent = sorted(
        (started, pid) for pid, started in seen.items() if pid not in known and now - started > PATIENCE
    )
    ended = starting[: max(0, RESERVE - free)]
    if len(seen) > 2 * most - RESERVE:  # PostgreSQL takes in twice as many as have slots
        ended += [pid for _, pid in silent]
    for pid in ended:
        send(pid, signal.SIGTERM)
    return len(ended)


def who(postmaster: int) -> Counter[str]:
    """Count the connections of a server by role, read from its processes: also when it is too full to be asked.

    A login under way counts as `login`.
    """
    found: Counter[str] = Counter()
    kinds = {name: kind for kind, name in ROLES.items()}
    for pid in children(postmaster):
        words = title(pid).removeprefix("postgres: ").split()
        if words and words[0] == "millstream:":  # the name of the cluster
            del words[0]
        if len(words) >= 3 and "(" in words[2] and words[2].endswith(")"):
            under_way = words[3:4] in (["authentication"], ["startup"])
            found["login" if under_way else kinds.get(words[0], words[0])] += 1
    return found
