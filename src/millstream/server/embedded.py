"""Open the server of a home: find it running, or make what is missing and start it."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
from urllib.parse import urlsplit

import psycopg

from millstream.server import cluster, rights, roles
from millstream.server.binaries import Binaries, find_binaries
from millstream.server.disk import explain, shortage
from millstream.server.errors import ServerError
from millstream.server.external import attach, look
from millstream.server.home import ROLES, Home, ServerFile, new_password
from millstream.server.identity import ServerIdentity, choose_identity, command, take_ownership
from millstream.server.options import Options
from millstream.server.process import (
    Child,
    end_leftovers,
    is_postmaster_of,
    read_postmaster,
    rotate,
    wait_until,
)
from millstream.server.server import HOST, Server, await_ready, loopback_dsns, stop_at_exit

PORT_TRIES = 5
STRAY_SECONDS = 2.0


def open_server(
    home: str | os.PathLike[str] | None = None, port: int | None = None, timeout: float = 120.0
) -> Server:
    """Return the server of `home`, started if it does not run.

    A server that is started here ends with this process, in whatever way the process ends. `port` None means the port
    of the last time, else a free one. With `MILLSTREAM_DSN` set, that server is used and `home` only keeps passwords.
    `timeout` (seconds) covers waiting for another process that starts it, and recovery after a crash.
    Raises ServerError, whose text names the remedy.
    """
    place = Home(home)
    try:
        return _open(place, port, timeout)
    except OSError as error:  # a full disk, a read-only one, no memory
        raise ServerError(explain(error, place.path)) from error
    except psycopg.Error as error:
        raise ServerError(
            f"PostgreSQL in {place.data} could not be set up: {str(error).strip()}. {shortage(place.path)}".rstrip()
        ) from error


def _open(place: Home, port: int | None, timeout: float) -> Server:
    dsn = os.environ.get("MILLSTREAM_DSN")
    if dsn:
        return attach(place, dsn, timeout)
    with place.lock(timeout):
        running = _running(place, timeout)
        if running is None:
            return _start(place, port, timeout)
        if port not in (None, running.port):
            raise ServerError(
                f"the server of {place.path} already runs, on port {running.port}, not {port}. "
                "Stop it first (millstream down), or leave the port out."
            )
        if _takes_our_password(running):
            return running
        return _start(place, port, timeout)


def find_server(home: str | os.PathLike[str] | None = None) -> Server | None:
    """Return the server of `home` if it runs and is set up, else None. Starts and changes nothing."""
    place = Home(home)
    dsn = os.environ.get("MILLSTREAM_DSN")
    if dsn:
        return look(place, dsn)
    postmaster = read_postmaster(place.data)
    if postmaster is None or postmaster.status != "ready" or postmaster.port is None:
        return None
    if not is_postmaster_of(postmaster.pid, place.data):
        return None
    content = place.read()
    if content.pid != postmaster.pid:  # noted when the database and the roles are there
        return None
    dsns = loopback_dsns(postmaster.port, content.passwords)
    return Server(place, dsns, port=postmaster.port, pid=postmaster.pid, options=place.options())


def connect_server(home: str | os.PathLike[str] | None = None) -> Server:
    """Return the running server of `home`. Raises ServerError if there is none."""
    server = find_server(home)
    if server is None:
        raise ServerError(f"no server runs for {Home(home).path}. Start it: millstream up")
    return server


def _running(home: Home, timeout: float) -> Server | None:
    """Return the running server, after waiting for one that is starting or stopping; clear away what a dead one left."""

    def settled() -> bool:
        postmaster = read_postmaster(home.data)
        return (
            postmaster is None
            or postmaster.status == "ready"
            or not is_postmaster_of(postmaster.pid, home.data)
        )

    if not wait_until(settled, timeout):
        postmaster = read_postmaster(home.data)
        raise ServerError(
            f"PostgreSQL in {home.data} is {postmaster.status or 'starting' if postmaster else 'changing'} "
            f"for more than {timeout:.0f} s. See {home.log_path}, and try again."
        )
    postmaster = read_postmaster(home.data)
    if postmaster is None or not is_postmaster_of(postmaster.pid, home.data):
        return None
    if home.read().pid != postmaster.pid and not _ends(home, postmaster.pid):
        raise _taken(home, postmaster.pid, f"is not the server that {home.server_file} tells of")
    return find_server(home.path)


def _ends(home: Home, pid: int) -> bool:
    """Say whether a server ends at once, as it does when it, or the opener that was setting it up, was killed."""
    return wait_until(lambda: not is_postmaster_of(pid, home.data), STRAY_SECONDS)


def _taken(home: Home, pid: int, why: str) -> ServerError:
    return ServerError(
        f"the data directory {home.data} is taken by PostgreSQL process {pid}, which {why}. "
        f"Stop that process (kill -INT {pid}) and try again; lost passwords are then made anew."
    )


def _takes_our_password(server: Server) -> bool:
    """Log in, so that the running server is really ours; False where it was killed a moment ago and is gone now."""
    try:
        psycopg.connect(server.dsn("owner"), connect_timeout=10).close()
    except (psycopg.OperationalError, ServerError) as error:
        assert server.pid is not None
        if _ends(server.home, server.pid):
            return False
        why = f"does not accept the password in {server.home.server_file} ({str(error).strip()})"
        raise _taken(server.home, server.pid, why) from error
    return True


def _start(home: Home, port: int | None, timeout: float) -> Server:
    major = cluster.made_by(home.data)
    binaries, identity = _programs(home, major)
    content, options = home.read(), home.options()
    if options.tls:
        from millstream.server.certificate import find_certificate  # slow to import

        find_certificate(home.path, options)  # what is wrong with it is said before anything is started
    lost = major is not None and "owner" not in content.passwords
    missing = [kind for kind in ROLES if kind not in content.passwords]
    if missing:
        content.passwords |= {kind: new_password() for kind in missing}
        home.write(content)
    if major is None:
        cluster.initialise(home, binaries, identity, content.passwords["owner"])
    cluster.check_mode(home.data)
    take_ownership(home.data, identity)
    _clear(home)
    if lost:
        cluster.reset_owner_password(home.data, binaries, identity, content.passwords["owner"])
    child, port = _start_on_a_port(home, binaries, identity, port, content, options, timeout)
    server = Server(
        home, loopback_dsns(port, content.passwords), port=port, pid=child.pid, child=child, options=options
    )
    atexit.register(stop_at_exit, server)
    try:
        _make_roles(server, content, options)
        content.port, content.pid = port, child.pid
        home.write(content)
    except BaseException:
        server._end()
        raise
    return server


def _programs(home: Home, major: int | None) -> tuple[Binaries, ServerIdentity]:
    try:
        binaries = find_binaries(major)
    except ServerError as error:
        if major is None:
            raise
        raise ServerError(
            f"the data directory {home.data} was made by PostgreSQL {major} and opens with no other major version. "
            f"{error} Or move {home.data} away: an empty one is made, to be loaded again."
        ) from error
    identity, readable = choose_identity(binaries, home)
    return readable, identity


def _clear(home: Home) -> None:
    """Remove what a killed server left: backends that have not noticed, and a postmaster.pid that names nobody of ours."""
    postmaster = read_postmaster(home.data)
    if postmaster is not None and is_postmaster_of(postmaster.pid, home.data):
        raise _taken(home, postmaster.pid, "was started at this moment")
    if not end_leftovers(home.data):
        raise ServerError(
            f"processes of a killed server still work in {home.data} and cannot be ended. "
            "End them (ps -ef | grep postgres), then try again."
        )
    (home.data / "postmaster.pid").unlink(missing_ok=True)
    cluster.remove_unfinished(home)
    rotate(home.log_path)


def _start_on_a_port(
    home: Home,
    binaries: Binaries,
    identity: ServerIdentity,
    asked: int | None,
    content: ServerFile,
    options: Options,
    timeout: float,
) -> tuple[Child, int]:
    """Start PostgreSQL on the asked port, else the last one, else a free one; with TLS, where TLS is not spoken."""
    if asked is not None and not _is_free(asked):
        raise ServerError(
            f"port {asked} on {HOST} is taken by another program. Choose another port, or leave it out to get a free one."
        )
    port = asked or _last_port(content, options) or free_port()
    for _ in range(PORT_TRIES):
        cluster.configure(home.data, port, options, identity)
        log_start = home.log_path.stat().st_size if home.log_path.exists() else 0
        child = Child(command(identity, [binaries.path("postgres"), "-D", str(home.data)]), home.log_path)
        try:
            await_ready(home, child, log_start, timeout)
        except ServerError:
            if asked is not None or _is_free(port):
                raise
            port = free_port()  # somebody took it between our look and PostgreSQL's
            continue
        return child, port
    raise ServerError(f"no free port was found on {HOST} in {PORT_TRIES} tries. Name one with --port.")


def _last_port(content: ServerFile, options: Options) -> int | None:
    """The port of the last time, if it is free now. The one that users know is TLS's while there is TLS."""
    port = content.port
    if port is None or (options.tls and port == options.port):
        return None
    return port if _is_free(port) else None


def _make_roles(server: Server, content: ServerFile, options: Options) -> None:
    maintenance = urlsplit(server.dsn("owner"))._replace(path="/postgres").geturl()
    with psycopg.connect(maintenance, autocommit=True, connect_timeout=10) as connection:
        roles.make_database(connection)
        roles.make_roles(connection, content.passwords, options)
    # whatever may have become of what sessions begin with: this one makes it anew
    with psycopg.connect(
        server.dsn("owner"), autocommit=True, connect_timeout=10, options="-c event_triggers=off"
    ) as connection:
        rights.close(connection)


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise ServerError(f"port {port} needs root. Choose one above 1023.") from None
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port of loopback that nobody uses at this moment."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
