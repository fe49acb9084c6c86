"""`millstream migrate`: what it prints, its exit status, and a target that does not answer.

A database with the engine stands in for RisingWave. It has FLUSH as a procedure only, so the statement is replaced.
"""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from millstream import server
from millstream.cli import main
from millstream.migration.target import RisingWaveTarget
from tests.engine.engine import START
from tests.migration.conftest import Pair


@pytest.fixture
def shop(filled: Pair, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """The command finds the first engine through its home, and the second one through profiles.yml."""
    info = psycopg.conninfo.conninfo_to_dict(filled.there.dsn)
    for name, default in (("host", "localhost"), ("port", "5432"), ("user", "postgres"), ("password", "")):
        monkeypatch.setenv(f"RISINGWAVE_{name.upper()}", str(info.get(name, default)))
    monkeypatch.setenv("RISINGWAVE_DATABASE", str(info["dbname"]))
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path))
    monkeypatch.chdir(root)

    class Found:
        def dsn(self, role: str) -> str:
            assert role == "owner"
            return filled.here.dsn

    monkeypatch.setattr(server, "connect", lambda home: Found())
    plain = RisingWaveTarget.send

    def send(self: RisingWaveTarget, statement: str) -> int:
        if statement == "flush":
            filled.there.tick(START)
            return 0
        return plain(self, statement)

    monkeypatch.setattr(RisingWaveTarget, "send", send)
    return filled


def run(*options: str, status: int = 0) -> Result:
    answer = CliRunner().invoke(main, ["migrate", "--to", "risingwave", *options])
    assert answer.exit_code == status, answer.output
    return answer


def test_a_dry_run_counts_and_changes_nothing(shop: Pair) -> None:
    assert "public.events: 4 rows here, 0 there" in run("--dry-run").stdout
    assert shop.there.value("select count(*) from events") == 0


def test_it_copies_compares_and_says_so_to_people_and_machines(shop: Pair) -> None:
    told = run().stdout
    assert "copied: 12 rows sent, 0 were there already" in told
    assert "everything that must be equal is equal" in told
    found = json.loads(run("--json").stdout)
    assert found["copied"]["public.events"] == {"rows": 4, "there": 4, "sent": 0}
    assert {each["name"]: each["result"] for each in found["compared"]}["public.weighted"] == "not compared"
    assert found["tick"] == 1
    shop.there.write("delete from weights", now=START)
    answer = run("--verify-only", status=1)
    assert "only here: name=a, weight=2.5" in answer.stdout
    assert shop.there.value("select count(*) from weights") == 0
    assert "copied: 1 row sent" in run("--table", "weights").stdout


def test_a_target_that_does_not_answer_is_said_with_the_remedy(
    shop: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISINGWAVE_HOST", "127.0.0.1")
    monkeypatch.setenv("RISINGWAVE_PORT", "1")
    answer = run(status=1)
    assert "RisingWave does not answer at 127.0.0.1:1" in answer.stderr
    assert "nothing was copied" in answer.stderr


def test_counting_and_comparing_exclude_one_another() -> None:
    assert "give one of them" in run("--dry-run", "--verify-only", status=2).stderr
