"""`millstream dsn`: print a connection string."""

from __future__ import annotations

import click

from millstream import server
from millstream.server import ROLES, Home, Server
from millstream.server.address import FORMS
from millstream.server.options import SELF_SIGNED, TLS_FOLDER


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
@click.option("--host", help="The name or address by which the application's machine knows this one.")
@click.option("--local", is_flag=True, help="For programs on this machine: past TLS, straight to PostgreSQL.")
@click.pass_obj
def command(home: Home, role: str, form: str, host: str | None, local: bool) -> None:
    """Print the connection string of a role, password included.

    It asks for TLS where the server speaks it.

    Give it to an application through its environment or a secret store, not on a command line.

    \b
    Example:
      DATABASE_URL=$(millstream dsn --role reader) python app.py
      JDBC_URL=$(millstream dsn --role reader --format jdbc) java App.java
      millstream dsn --role reader --host db.example.com
    """
    running = server.connect(home.path)
    if local and host is not None:
        raise click.UsageError("--local is this machine, and needs no --host")
    if host is not None:
        warn_of_name(running, host)
    click.echo(FORMS[form](running.dsn(role) if local else running.public_dsn(role, host)))


def warn_of_name(running: Server, host: str) -> None:
    """Say on stderr where `verify-full` would refuse the server under this name."""
    if running.external or running.options.certificate != SELF_SIGNED:
        return
    from millstream.server.certificate import unnamed  # slow to import

    try:
        names = unnamed(running.home.path / TLS_FOLDER / "server.crt", host)
    except (OSError, ValueError):
        return  # `status` says what is wrong with a certificate
    if names:
        click.echo(
            f"warning: the certificate does not name {host}, so sslmode=verify-full refuses it. It names "
            f"{', '.join(names)}: use one of these, or sslmode=verify-ca, or a certificate for that name "
            "(millstream up --tls CERT KEY)",
            err=True,
        )
