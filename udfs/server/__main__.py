"""`python -m udfs.server`, where only `udfs/` is at hand, as in the container."""

from __future__ import annotations

from udfs.server.command import command

command(prog_name="python -m udfs.server")
