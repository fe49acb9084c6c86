"""The PostgreSQL of the embedded server for pytest-postgresql, which starts its own servers with pg_ctl."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from pathlib import Path

from millstream.server import find_binaries

NOBODY = 65534


def pg_ctl() -> str:
    """The path of pg_ctl; for root that of a script that runs it in a user namespace, as PostgreSQL refuses root."""
    program = find_binaries().path("pg_ctl")
    if os.geteuid() != 0:
        return program
    script = Path(tempfile.mkdtemp(prefix="millstream-pg-ctl-")) / "pg_ctl"
    namespace = f"unshare --user --map-user={NOBODY} --map-group={NOBODY}"
    script.write_text(f'#!/bin/sh\nexec {namespace} {shlex.quote(program)} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)
