"""A test's handle on opener.py running in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.server import opener
from tests.server.users import python_for

SECONDS = 60


class Opened:
    """`opener.py` started on a home; `answer()` waits for its JSON line. Ends with the `with` block at the latest."""

    def __init__(self, home: Path, *options: str, user: int | None = None) -> None:
        found = python_for(user)
        if found is None:
            pytest.skip("no Python here can be run, with the project's packages, by a normal user")
        program, environment = found
        self._process = subprocess.Popen(
            [program, opener.__file__, str(home), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            env=environment,
        )
        self.pid = self._process.pid

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate(timeout=SECONDS)
            raise AssertionError(f"the opener ended without an answer:\n{errors}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End it in order, which stops the server if it was started there."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.communicate(timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()
