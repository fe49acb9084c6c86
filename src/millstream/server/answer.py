"""What a server means that does not let somebody in: full, starting, stopping, recovering, a wrong password, or dead."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from millstream.server import connections
from millstream.server.errors import ServerError
from millstream.server.home import Home
from millstream.server.process import is_postmaster_of, read_postmaster
from millstream.server.server import Server

# What the server says, in the words of its C locale, and what it means.
MEANINGS = (
    ("too many clients already", "full"),
    ("remaining connection slots are reserved", "full"),
    ("too many connections for", "full"),
    ("the database system is starting up", "starting"),
    ("in recovery mode", "recovering"),
    ("not yet accepting connections", "recovering"),
    ("the database system is shutting down", "stopping"),
    ("password authentication failed", "password"),
    ("out of memory", "memory"),
    ("could not fork", "memory"),
    ("Cannot allocate memory", "memory"),
)
REMEDIES = {
    "full": "Let applications share connections (docs/howto/security.md has a pool), or give them more: millstream down, "
    "then millstream up --readers N or --writers N. To end one now: select pg_terminate_backend(pid)",
    "starting": "Wait: it will be ready in a moment",
    "recovering": "Wait: it replays its log after a crash, and loses nothing",
    "stopping": "Wait until it has ended, then: millstream up",
    "password": "The password in server.json is not the server's: millstream down, then millstream up sets it again",
    "memory": "The machine has no memory left for another session: end what takes it (free -m), or use fewer connections",
    "down": "millstream up",
    "silent": "It runs and does not answer: see its log, then millstream down and millstream up",
}


def meaning(text: str) -> str:
    """The state that the server's words mean, empty where they are of none."""
    return next((state for words, state in MEANINGS if words in text), "")


@dataclass(frozen=True)
class ServerCondition:
    """`state`: ready, full, starting, recovering, stopping, password, memory, silent or down; in words, and what to do.

    `connections`: who has how many, where the server is full.
    """

    state: str
    text: str = ""
    remedy: str = ""
    connections: tuple[tuple[str, int], ...] = ()


def interpret(home: Home, server: Server | None, error: psycopg.Error | None) -> ServerCondition:
    """Say what it means that `server` was not found (None), or did not let its owner in."""
    text = str(error).strip().splitlines()[-1].rpartition("FATAL:  ")[2] if error is not None else ""
    state = meaning(text)
    pid = server.pid if server is not None else None
    if not state and not (server is not None and server.external):
        state, pid = _look(home)
    who = connections.who(pid).most_common() if state == "full" and pid is not None else []
    state = state or "silent"
    return ServerCondition(state, text, REMEDIES[state], tuple(who))


def _look(home: Home) -> tuple[str, int | None]:
    """The state that `postmaster.pid` tells, and the process."""
    try:
        postmaster = read_postmaster(home.data)
    except OSError as error:
        raise ServerError(
            f"{home.data} cannot be read: {error.strerror}. Run as the user who owns it."
        ) from error
    if postmaster is None or not is_postmaster_of(postmaster.pid, home.data):
        return "down", None
    return {"ready": "silent", "stopping": "stopping"}.get(postmaster.status, "starting"), postmaster.pid
