"""`millstream dsn`: print a connection string."""

from __future__ import annotations

import click

from millstream import server
from millstream.server import ROLES, Home
from millstream.server.address import FORMS


@click.command(name="dsn")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default="reader",
    show_default=True,
    help="reader: serving views, read-only. writer: source relations. owner: everything.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default="libpq",
    show_default=True,
    help="libpq: as psql and psycopg take it. url: for asyncpg, node-postgres, pgx. jdbc, sqlalchemy: for those.",
)
@click.pass_obj
def command(home: Home, role: str, form: str) -> None:
    """Print the connection string of a role, password included.

    Give it to an application through its environment or a secret store, not on a command line.

    \b
    Example:
      DATABASE_URL=$(millstream dsn --role reader) python app.py
      JDBC_URL=$(millstream dsn --role reader --format jdbc) java App.java
    """
    click.echo(FORMS[form](server.connect(home.path).dsn(role)))
