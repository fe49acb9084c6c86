"""`millstream down`: stop the worker and PostgreSQL."""

from __future__ import annotations

import signal

import click

from millstream import server
from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.process import is_alive, send, wait_until
from millstream.supervisor.state_file import is_held, read_state

STOP_SECONDS = 60.0


@click.command(name="down")
@click.pass_obj
def command(home: Home) -> None:
    """Stop the worker, then PostgreSQL. The data stays.

    Safe to repeat: if nothing runs, this says so and succeeds. A server named by MILLSTREAM_DSN is left running.

    \b
    Example:
      millstream down
    """
    stopped = _stop_supervisor(home)
    running = server.find(home.path)
    if running is not None and not running.external:
        running.stop()
        stopped = True
    click.echo("stopped" if stopped else f"nothing runs for {home.path}")


def _stop_supervisor(home: Home) -> bool:
    """Have the supervisor stop what it runs; say whether there was one."""
    if not is_held(home):
        return False

    def is_known() -> bool:  # a supervisor that just took the lock has not written its pid yet
        state = read_state(home)
        return not is_held(home) or (state is not None and is_alive(state.pid))

    if not wait_until(is_known, 5):
        raise MillstreamError(
            f"{home.path} is held by a supervisor of unknown pid; end it: ps -ef | grep millstream"
        )
    state = read_state(home)
    if state is None or not is_held(home):
        return True
    send(state.pid, signal.SIGTERM)
    if not wait_until(lambda: not is_held(home), STOP_SECONDS):
        send(state.pid, signal.SIGKILL)  # its children end with it
        if not wait_until(lambda: not is_held(home), 5):
            raise MillstreamError(f"the supervisor (process {state.pid}) does not end. See {home.logs}.")
    return True
