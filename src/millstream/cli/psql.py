"""`millstream psql`: open psql on the running server."""

from __future__ import annotations

import os

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from millstream import server
from millstream.errors import MillstreamError
from millstream.server import ROLES, Home


@click.command(name="psql")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default="reader",
    show_default=True,
    help="reader: serving views, read-only. writer: source relations. owner: everything.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- PSQL ARGUMENTS]")
@click.pass_obj
def command(home: Home, role: str, arguments: tuple[str, ...]) -> None:
    """Open psql as a role; what follows -- goes to psql.

    The password travels in the environment, so no process list shows it.

    \b
    Example:
      millstream psql
      millstream psql --role writer -- -c "select count(*) from events"
    """
    dsn = server.connect(home.path).dsn(role)
    program = server.find_client("psql")
    if program is None:
        raise MillstreamError(
            "psql is not installed. Install PostgreSQL's client programs, or use any client with the output of: "
            f"millstream dsn --role {role}"
        )
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    os.execve(program, [program, make_conninfo("", **parts), *arguments], environment)
