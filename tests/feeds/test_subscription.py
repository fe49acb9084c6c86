"""The change feed of RisingWave: each change once, through broken connections, deployments and long silences.

The server is `stand_in.StandIn`, a recorded conversation; `test_subscription_risingwave.py` asks a real one.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from millstream.errors import MillstreamError
from millstream.feeds import subscription
from millstream.feeds.change import Batch, Gone, as_json
from millstream.feeds.connection import Away, FetchedRows, reason
from millstream.feeds.fetched import Cutter
from millstream.feeds.subscription import batches
from tests.engine.running import eventually
from tests.feeds.stand_in import Row, ServerError, StandIn
from tests.feeds.tail import Tail

Start = Callable[..., Tail]
COLUMNS = [("item_id", "varchar"), ("price", "integer")]


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as made:
        yield made
        made.break_connections()
        made.shutdown()


@pytest.fixture
def tail(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """`tail("popular", snapshot=True)` starts a watcher and returns when its cursor is open."""
    monkeypatch.setattr(subscription, "RETRY_SECONDS", (0.01, 0.05))
    monkeypatch.setattr(subscription, "CLOCK_SECONDS", 0.01)
    monkeypatch.setattr(subscription, "CHECK_SECONDS", 0.05)
    with ExitStack() as stack:

        def start(model: str, **options: Any) -> Tail:
            found = stack.enter_context(Tail(server.dsn, model, batches, **options))
            eventually(lambda: bool(found.error or server.statements("fetch")))
            return found

        yield start


def first(server: StandIn, model: str, **options: Any) -> Batch:
    """The first batch, or the error."""
    return next(iter(batches(server.dsn, model, **options)))


def test_the_rows_of_a_timestamp_come_together_and_in_order(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS, ("a", "1"))
    found = tail("popular")
    server.commit(table, ("Insert", ("b", "2")), ("Insert", ("c", "3")))
    at = server.commit(
        table, ("UpdateDelete", ("b", "2")), ("UpdateInsert", ("b", "5")), ("Delete", ("a", "1"))
    )
    found.has("+ b 2", "+ c 3", "- b 2", "+ b 5", "- a 1")
    eventually(lambda: len(found.batches) == 2)
    assert [batch.tick for batch in found.batches] == [at - 1000, at]
    assert as_json(found.changes[-1]) == (
        f'{{"tick": {at}, "time": "2026-03-01T10:00:03+00:00", "op": "-", "row": {{"item_id": "a", "price": 1}}}}'
    )
    assert server.statements("declare") == [
        f'declare millstream_watch subscription cursor for "public"."popular_feed" since {at - 2000}'
    ]
    assert not server.statements("BEGIN"), "a transaction would hold the session at its first moment"
    assert server.statements("fetch")[:2] == [
        "fetch 1000 from millstream_watch",
        "fetch 1000 from millstream_watch with (timeout = '1s')",
    ]


def test_a_snapshot_comes_first_and_has_no_position(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS, ("a", "1"), ("b", "2"))
    found = tail("popular", snapshot=True)
    found.has("+ a 1", "+ b 2")
    at = server.commit(table, ("Delete", ("a", "1")))
    found.has("+ a 1", "+ b 2", "- a 1")
    assert [(batch.tick, len(batch.changes), batch.complete, batch.anew) for batch in found.batches] == [
        (None, 2, False, False),
        (None, 0, True, False),
        (at, 1, True, False),
    ]
    assert server.statements("declare")[0].endswith('"public"."popular_feed" full')


def test_going_on_leaves_out_the_timestamp_that_was_dealt_with(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    server.commit(table, ("Insert", ("a", "1")))
    at = server.commit(table, ("Insert", ("b", "2")), ("Insert", ("c", "3")))
    server.commit(table, ("Insert", ("d", "4")))
    tail("popular", after=at).has("+ d 4")
    assert server.statements("declare")[0].endswith(f"since {at}")


LOG: list[tuple[Row, str, int | None]] = [
    (("a", "1"), "Insert", None),
    (("b", "1"), "Insert", None),
    (("c", "1"), "Insert", 10),
    (("d", "1"), "Insert", 10),
    (("d", "1"), "UpdateDelete", 11),
    (("d", "2"), "UpdateInsert", 11),
    (("a", "1"), "Delete", 12),
    (("e", "1"), "Insert", 14),
]


def cut(cutter: Cutter, pieces: list[list[tuple[Any, ...]]]) -> list[Batch]:
    columns = ("item_id", "price", "op", "rw_timestamp")
    found = []
    for number, rows in enumerate(pieces):
        answer = FetchedRows(columns, tuple((*row, op, at) for row, op, at in rows))
        found += cutter.cut(answer, whole=number == len(pieces) - 1)
    return found


@pytest.mark.parametrize("position", [None, 9, 10, 12, 14])
def test_where_the_fetches_end_makes_no_difference(position: int | None) -> None:
    log = [row for row in LOG if row[2] is not None or position is None]
    expected = [at for at in (10, 11, 12, 14) if at > (position or 0)]
    for ends in itertools.product([False, True], repeat=len(log) - 1):
        borders = [0, *(place for place, end in enumerate(ends, 1) if end), len(log)]
        pieces = [log[one:other] for one, other in itertools.pairwise(borders)]
        found = cut(Cutter("popular", position), pieces)
        assert [batch.tick for batch in found if batch.tick is not None] == expected
        rows = [change.row["item_id"] for batch in found for change in batch.changes]
        assert rows == [row[0] for row, _, at in log if at is None or at in expected]
        done = [batch for batch in found if batch.tick is None and batch.complete]
        assert len(done) == (position is None)


def test_a_timestamp_stays_whole_where_a_fetch_runs_out_of_time(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    found = tail("popular")
    server.cut_at = 1
    server.commit(table, ("Insert", ("a", "1")), ("Insert", ("b", "2")), ("Insert", ("c", "3")))
    found.has("+ a 1", "+ b 2", "+ c 3")
    assert server.cut_at is None
    assert len(found.batches) == 1


@pytest.mark.parametrize("seed", range(3))
def test_replaying_gives_the_view_whatever_breaks(
    server: StandIn,
    tail: Start,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    seed: int,
) -> None:
    monkeypatch.setattr(subscription, "ROWS", 3)
    dice = random.Random(seed)
    table = server.deploy("popular", COLUMNS, *((f"i{n}", "0") for n in range(5)))
    found = tail("popular", snapshot=True)
    server.commit(table, ("Insert", ("first", "1")))
    found.has(*(f"+ i{n} 0" for n in range(5)), "+ first 1")
    last = 0
    for step in range(40):
        gone = dice.sample(table.rows, dice.randint(0, len(table.rows)))
        changes = [("Delete", row) for row in gone]
        changes += [("Insert", (f"s{step}", str(number))) for number in range(dice.randint(0, 4))]
        if changes:
            last = server.commit(table, *changes)
        if dice.random() < 0.2:
            server.break_connections()
        if dice.random() < 0.1:
            server.errors.append(("fetch", "Scheduler error: a compute node went away"))
    found.reaches(last)
    assert found.replayed() == Counter(
        f'{{"item_id": "{item}", "price": {price}}}' for item, price in table.rows
    )
    ticks = [batch.tick for batch in found.batches if batch.tick is not None]
    assert ticks == sorted(set(ticks))
    assert any(line.startswith("connected again; going on after 1772") for line in found.said)
    assert capfd.readouterr().err == ""
    assert caplog.text == "", "what risingwave-py says of an error is said twice"


def test_a_server_that_is_away_is_waited_for(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    found = tail("popular")
    server.accepting = False
    server.break_connections()
    eventually(lambda: bool(found.said))
    server.commit(table, ("Insert", ("a", "1")))
    server.accepting = True
    found.has("+ a 1")
    assert "does not answer at 127.0.0.1" in found.said[0]


def test_a_break_before_the_first_change_begins_the_snapshot_anew(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS, ("a", "1"))
    found = tail("popular", snapshot=True)
    found.has("+ a 1")
    server.accepting = False
    server.break_connections()
    server.commit(table, ("Insert", ("b", "2")))
    server.accepting = True
    found.has("+ a 1", "+ a 1", "+ b 2")
    assert [batch.anew for batch in found.batches if batch.changes] == [False, True]
    assert "connected again; beginning with its rows" in found.said


def test_a_silence_longer_than_the_retention_loses_nothing(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    found = tail("popular")
    server.commit(table, ("Insert", ("a", "1")))
    found.has("+ a 1")
    server.pass_time(days=3)
    eventually(lambda: len(server.statements("declare")) == 3)  # the second one, at the position, is too old
    server.commit(table, ("Insert", ("b", "2")))
    found.has("+ a 1", "+ b 2")
    assert "exceeded its maximum lifetime" in found.said[0]


def test_being_away_longer_than_the_retention_is_said(
    server: StandIn, tail: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = server.deploy("popular", COLUMNS)
    found = tail("popular")
    server.commit(table, ("Insert", ("a", "1")))
    found.has("+ a 1")
    server.accepting = False
    server.break_connections()
    eventually(lambda: bool(found.said))
    server.commit(table, ("Insert", ("b", "2")))
    server.pass_time(days=3)
    real = subscription.time.monotonic
    monkeypatch.setattr(subscription, "time", SimpleNamespace(monotonic=lambda: real() + 3 * 86_400))
    server.accepting = True
    eventually(lambda: found.error is not None)
    assert isinstance(found.error, Gone)
    assert "older than the retention of popular_feed" in str(found.error)
    assert "--snapshot" in str(found.error)


def test_positions_that_cannot_be_gone_on_from_are_refused(server: StandIn, tail: Start) -> None:
    server.deploy("popular", COLUMNS)
    before = server.clock
    server.deploy("popular", COLUMNS, ("a", "1"))
    with pytest.raises(Gone, match="deployed again at 2026-03-01 10:00:02 UTC"):
        first(server, "popular", after=before)
    old = server.clock
    server.pass_time(days=2)
    with pytest.raises(Gone, match="are not kept"):
        first(server, "popular", after=old)
    with pytest.raises(Gone, match="has not been yet"):
        first(server, "popular", after=server.clock + 60_000)


def test_a_node_whose_clock_is_behind_is_asked_again(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    server.errors.append(
        ("declare", "rw_timestamp is too large, need to be less than the current unix_millis")
    )
    found = tail("popular")
    server.commit(table, ("Insert", ("a", "1")))
    found.has("+ a 1")


def test_a_deployment_begins_anew_with_the_new_rows(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS, ("a", "1"))
    found = tail("popular")
    server.commit(table, ("Insert", ("b", "2")))
    found.has("+ b 2")
    table = server.deploy("popular", [("item_id", "varchar")], ("z",))
    found.has("+ b 2", "+ z")
    server.commit(table, ("Delete", ("z",)))
    found.has("+ b 2", "+ z", "- z")
    eventually(lambda: len(found.batches) == 4)
    assert [(batch.anew, batch.complete) for batch in found.batches] == [
        (False, True),
        (True, False),
        (False, True),
        (False, True),
    ]
    assert any("deployed again" in line for line in found.said)


def test_a_new_version_without_rows_is_told_too(server: StandIn, tail: Start) -> None:
    server.deploy("popular", COLUMNS, ("a", "1"))
    found = tail("popular", snapshot=True)
    found.has("+ a 1")
    server.deploy("popular", COLUMNS)
    eventually(lambda: any(batch.anew for batch in list(found.batches)))
    assert [(batch.anew, batch.changes, batch.complete) for batch in found.batches][-1] == (True, (), True)


def test_a_dropped_subscription_is_waited_for(server: StandIn, tail: Start) -> None:
    server.deploy("popular", COLUMNS, ("a", "1"))
    found = tail("popular")
    server.subscriptions.clear()
    eventually(lambda: any("was dropped" in line for line in list(found.said)))
    server.deploy("popular", COLUMNS, ("b", "2"))
    found.has("+ b 2")
    assert found.batches[0].anew
    assert len([line for line in found.said if "was dropped" in line]) == 1


def test_values_are_what_json_has(server: StandIn, tail: Start) -> None:
    types = ["varchar", "bigint", "boolean", "numeric", "numeric", "double precision", "timestamptz", "date"]
    columns = [
        (f"c{number}", type_) for number, type_ in enumerate([*types, "varchar[]", "jsonb", "varchar"])
    ]
    row = ("é", "5", "t", "2.50", "NaN", "Infinity", "2026-03-01 12:00:00.5+02:00", "2026-03-01")
    server.deploy("popular", columns, (*row, '{x,"y z",NULL}', '{"k": [1]}', None))
    found = tail("popular", snapshot=True)
    eventually(lambda: bool(found.changes))
    assert list(found.changes[0].row.values()) == [
        "é", 5, True, 2.5, "NaN", "Infinity", "2026-03-01T10:00:00.500000+00:00", "2026-03-01",
        ["x", "y z", None], {"k": [1]}, None,
    ]  # fmt: skip


def test_names_mean_nothing_to_the_drivers(server: StandIn, tail: Start) -> None:
    server.deploy("od :d%s", [("op", "varchar"), ("od :d%s.rw_timestamp", "bigint")], ("a", "1"))
    found = tail("od :d%s", snapshot=True)
    eventually(lambda: bool(found.changes))
    assert found.changes[0].row == {"op": "a", "rw_timestamp": 1}


def test_a_kind_of_change_that_is_not_known_ends_the_watcher(server: StandIn, tail: Start) -> None:
    table = server.deploy("popular", COLUMNS)
    found = tail("popular")
    server.commit(table, ("Truncate", ("a", "1")))
    eventually(lambda: found.error is not None)
    assert "'Truncate'" in str(found.error)


def test_a_model_without_a_subscription_is_told_how_to_get_one(server: StandIn) -> None:
    server.deploy("popular", COLUMNS)
    server.relations |= {("public", "counts"): "materialized view", ("public", "serve_counts"): "view"}
    with pytest.raises(MillstreamError, match=r"counts has no .*there: popular\n.*change_feed='1D'.*deploy"):
        first(server, "counts")
    with pytest.raises(MillstreamError, match="only a materialized view has a feed"):
        first(server, "serve_counts")
    with pytest.raises(MillstreamError, match=r"no model public.count .*\n.*did you mean counts\?"):
        first(server, "count")
    with pytest.raises(MillstreamError, match="no model other.popular"):
        first(server, "other.popular")
    with pytest.raises(MillstreamError, match="no model shop.popular"):
        first(server, "popular", schema="shop")


def test_what_is_not_a_risingwave_is_said(server: StandIn) -> None:
    server.is_risingwave = False
    with pytest.raises(MillstreamError, match=r"does not list its subscriptions.*\n.*RisingWave 2.8"):
        first(server, "popular")


def test_a_risingwave_that_is_away_at_the_start_ends_the_watcher(server: StandIn) -> None:
    server.accepting = False
    with pytest.raises(Away, match=r"127.0.0.1:\d+: .*recovery\n.*make up TARGET=risingwave"):
        first(server, "popular")


def test_a_refused_cursor_names_the_statement(server: StandIn) -> None:
    server.deploy("popular", COLUMNS)
    server.errors.append(("declare", "Permission denied: no privilege on popular_feed"))
    with pytest.raises(MillstreamError, match="refused `declare .*`: Permission denied"):
        first(server, "popular")


@pytest.mark.parametrize("module", ["risingwave.core", "sqlalchemy"])
def test_a_missing_package_names_the_remedy(
    server: StandIn, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MillstreamError, match=r"pip install 'millstream\[risingwave\]'"):
        first(server, "popular")


def test_the_first_cause_of_an_error_is_its_reason() -> None:
    assert reason(ServerError("rw_timestamp is too small")) == "rw_timestamp is too small"
    assert reason(OSError("connection refused\nis it running?")) == "connection refused"
    assert reason(TimeoutError()) == "TimeoutError"
