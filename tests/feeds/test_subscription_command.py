"""`millstream watch --target risingwave`: what it prints, and how it says what is wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from millstream.cli import main, watch
from tests.engine.running import eventually
from tests.feeds.shops import Recorded

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """A recorded RisingWave to which profiles.yml leads."""
    with Recorded() as made:
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("RISINGWAVE_HOST", "127.0.0.1")
        monkeypatch.setenv("RISINGWAVE_PORT", str(made.server.port))
        yield made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["watch", *arguments, "--target", "risingwave"])


def test_it_prints_the_rows_and_what_concerns_the_feed(
    shop: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(watch, "stop_on_signals", lambda: stop)
    monkeypatch.setattr("millstream.feeds.subscription.CHECK_SECONDS", 0.01)
    shop.put("a", 10)

    def act() -> None:
        waiting = "fetch 1000 from millstream_watch with"
        eventually(lambda: bool(shop.server.statements(waiting)))
        shop.put("a", 20)
        shop.deploy(15)
        eventually(lambda: len(shop.server.statements("declare")) >= 2)
        before = len(shop.server.statements(waiting))
        eventually(lambda: len(shop.server.statements(waiting)) > before)
        stop.set()

    acting = threading.Thread(target=act)
    acting.start()
    answer = run("cheap", "--snapshot", "--json")
    acting.join()
    assert answer.exit_code == 0, answer.output
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert lines[0] == {"tick": None, "time": None, "op": "+", "row": {"item_id": "a", "price": 10}}
    assert lines[-1] == {"tick": None, "time": None, "op": "anew", "row": None}
    assert "cheap was deployed again" in answer.stderr


def test_an_unknown_model_and_options_of_the_other_engine_are_refused(shop: Recorded) -> None:
    answer = run("chep")
    assert answer.exit_code == 1
    assert "did you mean cheap?" in answer.stderr
    answer = run("cheap", "--keep", "2h")
    assert answer.exit_code == 2
    assert "change_feed in the model's config" in answer.stderr.replace("\n", " ")
    assert run("cheap", "--snapshot", "--from", "1").exit_code == 2
