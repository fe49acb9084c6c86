"""The README's psql session, repeated on the demo's server."""

from __future__ import annotations

import subprocess

import pytest

from tests.demo.conftest import Demo
from tests.project import readme

pytestmark = pytest.mark.timeout(600)


def test_the_session_prints_what_the_readme_shows(
    demo: Demo, played: subprocess.CompletedProcess[str]
) -> None:
    """Same columns, same number of rows, same command tags; the values are those of a longer history."""
    assert played.returncode == 0
    shown = readme.session()
    assert len(shown) >= 4
    for part in shown:
        answer = demo.run("psql", "--role", "owner", "--", "--no-psqlrc", "-c", part.statement)
        assert answer.returncode == 0, answer.stderr
        assert readme.Shown(part.statement, answer.stdout.strip("\n")).shape == part.shape
