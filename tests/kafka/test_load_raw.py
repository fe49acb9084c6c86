"""`load raw` says what staging made of a file's messages."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loaders.commands.load import load
from tests.engine.running import running
from tests.kafka.shop import Shop, event


@pytest.fixture(autouse=True)
def worker(shop: Shop) -> Iterator[None]:
    with running(shop.dsn):
        yield


def run(shop: Shop, path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(load, ["raw", str(path), "--dsn", shop.dsn, "--no-progress", *arguments])


def test_what_became_of_the_messages_is_told_by_reason(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "topic.log"
    path.write_bytes(b"\n".join([event(1), b"nonsense", b"{}", b"", b"more", event(2)]))
    result = run(shop, path)
    assert result.exit_code == 0
    assert "5 messages sent to events_raw" in result.output
    assert "2 of the file's messages are events, 3 were rejected" in result.output
    assert f"  2 × the payload is not JSON (first at {path}:2)\n  1 × event_id is missing" in result.output
    again = json.loads(run(shop, path, "--json").stdout)
    assert (again["sent"], again["already_there"], again["accepted"], again["rejected"]) == (0, 5, 2, 3)


def test_a_file_without_events_ends_with_status_2(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "topic.log"
    path.write_text("nonsense\n[1]\n")
    assert run(shop, path).exit_code == 2


def test_nesting_long_lines_and_a_damaged_file_stop_nothing(shop: Shop, tmp_path: Path) -> None:
    deep = b"[" * 50_000
    path = tmp_path / "topic.log.gz"
    lines = b"\n".join(
        [
            event(1),
            deep,
            b'{"a":' * 90_000,
            b"x" * (17 << 20),
            "\ufeffé".encode("latin-1", "replace"),
            event(2),
        ]
    )
    packed = gzip.compress(lines + b"\n")
    path.write_bytes(packed + packed[:200])
    result = run(shop, path)
    assert "the file is damaged" in result.output
    assert "3 of the file's messages are events, 4 were rejected" in result.output, result.output
    assert shop.values("select count(*) from events") == [2]
    assert shop.values("select max(length(payload)) from events_raw")[0] < 1_000_000


def test_two_loads_at_once_send_a_message_at_most_twice_and_an_event_once(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "topic.log"
    path.write_bytes(b"\n".join(event(number) for number in range(500)))
    results: list[Result] = []
    pair = [threading.Thread(target=lambda: results.append(run(shop, path))) for _ in range(2)]
    for each in pair:
        each.start()
    for each in pair:
        each.join()
    assert [result.exit_code for result in results] == [0, 0]
    assert shop.values("select count(*) from events") == [500]
