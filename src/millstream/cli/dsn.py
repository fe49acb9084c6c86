"""`millstream dsn`: print a connection string."""

from __future__ import annotations

import click

from millstream import server
from millstream.server import ROLES, Home


@click.command(name="dsn")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default="reader",
    show_default=True,
    help="reader: serving views, read-only. writer: source relations. owner: everything.",
)
@click.pass_obj
def command(home: Home, role: str) -> None:
    """Print the connection string of a role, password included.

    Give it to an application through its environment or a secret store, not on a command line.

    \b
    Example:
      DATABASE_URL=$(millstream dsn --role reader) python app.py
    """
    click.echo(server.connect(home.path).dsn(role))
