"""`python -m udf_server`, where nothing of the engine is at hand, as in the container."""

from __future__ import annotations

from udf_server.command import command

command(prog_name="python -m udf_server")
