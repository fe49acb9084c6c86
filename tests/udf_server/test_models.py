"""A model version is read, and read again, while the server runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millstream.server.process import wait_until
from tests.udf_server.calling import Client, Process

ITEMS = ("seen", "near", "far")


def write(home: Path, version: str, near: tuple[float, float]) -> None:
    """A version in which `near` has the given vector, and `seen` and `far` are at right angles; complete at once."""
    path = home / "models" / f"{version}.npz"
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, item_ids=np.array(ITEMS), vectors=np.array([(1, 0), near, (0, 1)], dtype=np.float32))
    unfinished.replace(path)


def row(version: str) -> tuple[Any, ...]:
    """One person who looked at `seen`; near and far have the same score."""
    seen = {"strategy": "recent", "weight": 1.0, "factor": 0.0, "item_ids": ["seen"]}
    others = {
        "strategy": "s",
        "weight": 1.0,
        "factor": 1.0,
        "item_ids": ["near", "far"],
        "scores": [1.0, 1.0],
    }
    return [seen, others], None, None, 75, 50, 0.5, 0.25, version


def scores(client: Client, version: str) -> dict[str, float]:
    (ranked,) = client.call("blend_v2", [row(version)])
    return {item["item_id"]: item["score"] for item in ranked}


@pytest.fixture(autouse=True)
def _empty(home: Path) -> None:
    for path in (home / "models").iterdir():
        path.unlink()


def test_a_new_version_is_in_memory_before_it_is_asked_for(own: Process, client: Client, home: Path) -> None:
    write(home, "first", (1, 0))
    assert wait_until(lambda: own.metrics().get("model_items[first]") == 3, 10)
    assert scores(client, "first") == {"near": 2.0, "far": 1.0}
    write(home, "second", (-1, 0))
    assert wait_until(lambda: own.metrics().get("model_items[second]") == 3, 10)
    assert scores(client, "second") == {"near": 1.0, "far": 1.0}
    assert scores(client, "first") == {"near": 2.0, "far": 1.0}


def test_a_version_written_again_is_read_again(own: Process, client: Client, home: Path) -> None:
    write(home, "changing", (1, 0))
    assert scores(client, "changing")["near"] == 2.0
    write(home, "changing", (0, 1))
    assert wait_until(lambda: scores(client, "changing")["near"] == 1.0, 10)


def test_a_damaged_file_leaves_what_is_in_memory(own: Process, client: Client, home: Path) -> None:
    write(home, "damaged", (1, 0))
    assert scores(client, "damaged")["near"] == 2.0
    before = own.metrics()["model_reload_failures_total"]
    (home / "models" / "damaged.npz").write_bytes(b"PK\x03\x04 not a model")
    assert wait_until(lambda: own.metrics()["model_reload_failures_total"] > before, 10)
    assert scores(client, "damaged")["near"] == 2.0
    assert own.health()[0] == 200


def test_the_signal_reads_all_versions_again_where_nobody_looks(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write(tmp_path, "watched", (1, 0))
    with Process("--watch", "0", home=tmp_path) as process:
        client = Client(process.port)
        assert "read model version watched" in process.log
        assert scores(client, "watched")["near"] == 2.0
        write(tmp_path, "watched", (0, 1))
        assert scores(client, "watched")["near"] == 2.0
        process.send(signal.SIGHUP)
        assert wait_until(lambda: scores(client, "watched")["near"] == 1.0, 10)
        client.close()
        code, said = process.end()
    assert code == 0 and "read model version watched" in said
