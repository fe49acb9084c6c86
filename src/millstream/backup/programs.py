"""PostgreSQL's own programs for dumps, run against a server: they end with us, and their errors become ours."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from millstream.errors import MillstreamError
from millstream.server import Binaries, Server, ServerError, find_binaries
from millstream.server.identity import ServerIdentity, command, environment

BLOCK = 1 << 20
LAST_LINES = 6

Hear = Callable[[str], None]  # is told each line of the program's standard error


def programs_of(server: Server) -> Binaries:
    """The programs of the server's own major version, pg_dump and pg_restore among them. Raises ServerError."""
    binaries = find_binaries(int((server.home.data / "PG_VERSION").read_text()))
    for program in ("pg_dump", "pg_dumpall", "pg_restore"):
        if not (binaries.directory / program).exists():
            raise ServerError(
                f"{binaries} has no {program}. Install PostgreSQL's client programs of major version {binaries.major} "
                "beside its server, or name another bin directory in MILLSTREAM_PG_BIN."
            )
    return binaries


def read_from(program: list[str], dsn: str, database: str, hear: Hear | None = None) -> Iterator[bytes]:
    """Run a program and yield what it prints, block by block. Raises MillstreamError where it fails."""
    with _running(program, dsn, database, hear, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while block := process.stdout.read(BLOCK):
            yield block


def write_to(
    program: list[str], dsn: str, database: str, blocks: Iterable[bytes], hear: Hear | None = None
) -> None:
    """Run a program and give it `blocks` on standard input. Raises MillstreamError where it fails."""
    with _running(program, dsn, database, hear, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            for block in blocks:
                process.stdin.write(block)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended, and its status says why


@contextmanager
def _running(
    program: list[str], dsn: str, database: str, hear: Hear | None, stdin: int
) -> Iterator[subprocess.Popen[bytes]]:
    """The program on a database of the server of `dsn`, which must end well; the password travels in its environment."""
    parts = conninfo_to_dict(dsn)
    password = str(parts.pop("password", ""))
    argv = [*program, "--no-password", f"--dbname={make_conninfo('', **{**parts, 'dbname': database})}"]
    process = subprocess.Popen(
        command(ServerIdentity.SAME, argv),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), "PGPASSWORD": password},
    )
    said: list[str] = []

    def listen() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            said.append(text)
            del said[:-LAST_LINES]
            if hear is not None:
                hear(text)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield process
        status = process.wait()
        listener.join()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not (stream is process.stderr and listener.is_alive()):
                stream.close()
    if status != 0:
        name = program[0].rpartition("/")[2]
        raise MillstreamError(
            f"{name} failed (exit {status}):\n" + "\n".join(f"  {line}" for line in said) + "\n"
            "  hint: remedy that cause and run again; nothing is left of this attempt"
        )
