"""Runs the command line as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from millstream.cli import main

SECONDS = 120


class Program:
    """`program("up", "--port", "5433")` runs the command and returns what it printed and its exit status."""

    def __init__(self, argv: Sequence[str], home: Path) -> None:
        self.argv = list(argv)
        self.home = home

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.argv, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=self.environment(**environment),
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command and leave it running."""
        return subprocess.Popen(
            [*self.argv, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
        )

    def environment(self, **additions: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
        return {**kept, "COLUMNS": "200", **additions}

    def status(self) -> dict[str, Any]:
        """What `status --json` says, asked in this process, because tests ask often."""
        answer = CliRunner().invoke(main, ["--home", str(self.home), "status", "--json"])
        assert answer.exit_code in (0, 3), answer.output
        found: dict[str, Any] = json.loads(answer.stdout)
        return found
