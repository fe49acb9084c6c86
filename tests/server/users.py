"""Running Python as a normal user from a test that runs as root."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

import psycopg

import millstream

USER = 65534


@functools.cache
def python_for(user: int | None) -> tuple[str, dict[str, str]] | None:
    """Return an interpreter and environment with which `user` (None: ourselves) can import Millstream, or None.

    Root's own interpreter often lies in root's home directory; then the system's of the same version does.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
    if user is None:
        return sys.executable, environment
    packages = [os.path.dirname(os.path.dirname(module.__file__ or "")) for module in (millstream, psycopg)]
    environment |= {
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
    }
    system = shutil.which(
        f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin"
    )
    for program in filter(None, (sys.executable, system)):
        try:
            subprocess.run(
                [program, "-c", "import millstream.server"],
                user=user,
                group=user,
                extra_groups=[],
                cwd="/",
                env=environment,
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return program, environment
    return None
