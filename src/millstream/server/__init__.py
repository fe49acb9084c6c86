"""A private PostgreSQL 18 on loopback: found, made, started and stopped; or a server of one's own.

with millstream.server.open() as server:
    psycopg.connect(server.dsn("reader"))
"""

from __future__ import annotations

from millstream.server.binaries import Binaries, find_binaries, find_client
from millstream.server.embedded import connect_server as connect
from millstream.server.embedded import find_server as find
from millstream.server.embedded import open_server as open
from millstream.server.errors import ServerError
from millstream.server.home import DATABASE, ROLES, Home
from millstream.server.server import Server

__all__ = [
    "DATABASE",
    "ROLES",
    "Binaries",
    "Home",
    "Server",
    "ServerError",
    "connect",
    "find",
    "find_binaries",
    "find_client",
    "open",
]
