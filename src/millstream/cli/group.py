"""The command group: the home directory that all commands share, and errors as a sentence instead of a traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import psycopg

from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.answer import REMEDIES, meaning
from millstream.server.disk import explain

HELP = """Real-time recommendations as streaming SQL.

`up` starts a private PostgreSQL and the worker that keeps the views current; `dbt run` deploys the views;
any PostgreSQL client reads them.

\b
Example:
  millstream up
  millstream status
  millstream psql
"""


OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EACCES)


def tell(message: str) -> None:
    """Print an error on stderr; a diagnostic brings its own head, error[code]."""
    head = "" if message.startswith("error[") else click.style("error: ", fg="red", bold=True)
    click.echo(head + message, err=True)


class Failure(click.ClickException):
    """A failed command: its text on stderr, exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        tell(self.message)


class Misuse(click.UsageError):
    """A command that was written wrongly: how it is used and the text on stderr, exit status 2."""

    def show(self, file: IO[Any] | None = None) -> None:
        if self.ctx is not None:
            click.echo(f"{self.ctx.get_usage()}\nTry '{self.ctx.command_path} --help' for help.\n", err=True)
        tell(self.message)


@contextmanager
def in_one_style() -> Iterator[None]:
    """Let what click and the loaders say of a command look like every other error."""
    try:
        yield
    except (Failure, click.exceptions.NoArgsIsHelpError):
        raise
    except click.UsageError as error:
        raise Misuse(error.format_message(), error.ctx) from error
    except click.ClickException as error:
        raise Failure(error.format_message()) from error


def stopped(error: psycopg.Error, command: str) -> str:
    """What to say where the server stopped a command: with its code and remedy."""
    from millstream.engine.state.server_faults import LOST, code_for, refused_by_server  # slow to import

    text = str(error).strip()
    if code_for(error) == LOST or meaning(text) == "full":
        return no_connection(text)
    return str(refused_by_server(error, command))


def no_connection(text: str) -> str:
    """What to say where the server let nobody in, or went away; `text` is the driver's."""
    if meaning(text) == "full":
        return f"no connection is free: {text}\nmillstream status says who has them. {REMEDIES['full']}"
    return f"the server does not answer: {text}\nLook with: millstream status"


class Commands(click.Group):
    """A group whose commands may raise MillstreamError: the user sees what, where and the remedy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with in_one_style():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with in_one_style():
                return super().invoke(ctx)
        except MillstreamError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            if error.errno not in OF_THE_MACHINE:
                raise
            raise Failure(explain(error, ctx.obj.path)) from error
        except psycopg.Error as error:
            raise Failure(stopped(error, f"millstream {ctx.invoked_subcommand}")) from error


def make_group(commands: Sequence[click.Command]) -> click.Group:
    """Return the `millstream` command with the given subcommands, listed in their order."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    @click.group(name="millstream", cls=Commands, help=HELP, context_settings=settings)
    @click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="MILLSTREAM_HOME",
        show_envvar=True,
        help="Directory of the data, passwords and logs. Default: .millstream in the dbt project.",
    )
    @click.version_option(
        package_name="millstream", prog_name="millstream", help="Print the version and exit."
    )
    @click.pass_context
    def main(ctx: click.Context, home: Path | None) -> None:
        ctx.obj = Home(home)

    for command in commands:
        main.add_command(command)
    return main
