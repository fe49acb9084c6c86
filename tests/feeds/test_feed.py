"""The engine's change feed: every change of a watched view exactly once, in order, and nothing of the others."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from millstream.engine.state import feed
from millstream.errors import MillstreamError
from millstream.feeds.change import Gone
from millstream.feeds.embedded import batches
from tests.engine.engine import Engine
from tests.feeds.conftest import VIEWS
from tests.feeds.tail import Tail, held

Start = Callable[..., Tail]
DEARER = "create materialized view cheap as select item_id, category, price from items where price < 1000"


def place(engine: Engine) -> int:
    """The number of the last tick."""
    return int(engine.value("select tick from millstream.clock"))


def watched_from(engine: Engine, model: str) -> int:
    """Begin to keep a model's changes; returns the tick after which they are kept."""
    return int(engine.value("select millstream.watch('public', %s)", [model]))


def test_inserts_updates_and_deletes_come_once_and_in_order(engine: Engine, tail: Start) -> None:
    start = watched_from(engine, "cheap")
    found = tail("cheap", after=start)
    engine.write("insert into items values ('a', 'food', 10), ('b', 'food', 500)")
    engine.write("update items set price = 20 where item_id = 'a'")
    engine.write("update items set price = 30 where item_id = 'b'")
    engine.write("delete from items where item_id = 'a'")
    found.has("+ a food 10", "- a food 10", "+ a food 20", "+ b food 30", "- a food 20")
    assert [change.tick - start for change in found.changes] == [1, 2, 2, 3, 4]


def test_a_group_that_having_hides_goes_away(engine: Engine, tail: Start) -> None:
    found = tail("counts", after=watched_from(engine, "counts"))
    engine.write("insert into items values ('a', 'food', 10)")
    engine.write("insert into items values ('b', 'food', 5)")
    engine.write("delete from items where item_id = 'b'")
    found.has("+ food 2 15", "- food 2 15")


def test_equal_rows_come_as_often_as_they_are_there(engine: Engine, tail: Start) -> None:
    found = tail("pages", after=watched_from(engine, "pages"))
    engine.write("insert into visits values ('u', 'home'), ('v', 'home')")
    engine.write("delete from visits where user_id = 'u'")
    found.has("+ home", "+ home", "- home")


def test_what_a_tick_takes_back_is_not_a_change(engine: Engine, tail: Start) -> None:
    found = tail("cheap", after=watched_from(engine, "cheap"))
    engine.write("insert into items values ('a', 'food', 10)")
    engine.write(
        "update items set price = 20 where item_id = 'a'", "update items set price = 10 where item_id = 'a'"
    )
    engine.write("insert into items values ('b', 'food', 10)")
    found.has("+ a food 10", "+ b food 10")


def test_a_snapshot_comes_first_and_joins_the_feed(engine: Engine, tail: Start) -> None:
    engine.write("insert into items values ('a', 'food', 10)")
    first = tail("cheap", snapshot=True)
    first.has("+ a food 10")
    engine.write("update items set price = 11 where item_id = 'a'")
    first.has("+ a food 10", "- a food 10", "+ a food 11")
    second = tail("cheap", snapshot=True)
    second.has("+ a food 11")
    engine.write("delete from items where item_id = 'a'")
    first.has("+ a food 10", "- a food 10", "+ a food 11", "- a food 11")
    second.has("+ a food 11", "- a food 11")


def test_what_nobody_watches_leaves_nothing(engine: Engine) -> None:
    watched_from(engine, "cheap")
    engine.write("insert into visits values ('u', 'home')", "insert into items values ('a', 'food', 500)")
    assert engine.value("select count(*) from millstream.feed_change") == 0


def write_at_random(engine: Engine, dice: random.Random) -> None:
    """A few statements of a shop, then a tick."""
    for _ in range(dice.randint(1, 4)):
        item = f"i{dice.randint(1, 8)}"
        price, category = dice.choice([5, 50, 150]), dice.choice(["food", "toys", None])
        engine.execute(
            dice.choice(
                [
                    "insert into items values (%(item)s, %(category)s, %(price)s)",
                    "update items set price = %(price)s, category = %(category)s where item_id = %(item)s",
                    "delete from items where item_id = %(item)s",
                    "insert into visits values (%(item)s, %(category)s)",
                    "delete from visits where user_id = %(item)s",
                ]
            ),
            {"item": item, "price": price, "category": category},
        )
    engine.tick()


@pytest.mark.parametrize("seed", range(3))
def test_replaying_the_feed_from_a_snapshot_gives_the_view(engine: Engine, tail: Start, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(5):
        write_at_random(engine, dice)
    tails = {view: tail(view, snapshot=True) for view in VIEWS}
    for step in range(20):
        write_at_random(engine, dice)
        if step == 10:
            engine.deploy(DEARER)
            engine.release()  # and another worker
    for view, found in tails.items():
        last = engine.value(
            "select coalesce(max(tick), 0) from millstream.feed_change where name = %s", [view]
        )
        found.reaches(last)
        assert found.replayed() == held(engine.dsn, view), view
    assert any(change.op == "-" for found in tails.values() for change in found.changes)


def test_deploying_again_takes_back_what_the_new_version_has_not(engine: Engine, tail: Start) -> None:
    start = watched_from(engine, "cheap")
    found = tail("cheap", after=start)
    engine.write("insert into items values ('a', 'food', 10), ('b', 'food', 500)")
    found.has("+ a food 10")
    engine.deploy("create materialized view cheap as select item_id, price from items where price < 1000")
    found.has("+ a food 10", "- a food 10", "+ a 10", "+ b 500")
    engine.write("delete from items where item_id = 'b'")
    found.has("+ a food 10", "- a food 10", "+ a 10", "+ b 500", "- b 500")
    assert [change.tick - start for change in found.changes] == [1, 2, 2, 2, 3]
    assert any("deployed again" in line for line in found.said)


def test_dropping_takes_all_rows_back_and_deploying_brings_them_again(engine: Engine, tail: Start) -> None:
    start = watched_from(engine, "cheap")
    found = tail("cheap", after=start)
    engine.write("insert into items values ('a', 'food', 10)")
    found.has("+ a food 10")
    engine.drop("cheap")
    found.has("+ a food 10", "- a food 10")
    tail("cheap", after=start).has("+ a food 10", "- a food 10")  # also one that comes later
    with pytest.raises(MillstreamError, match="was dropped"):
        next(batches(engine.dsn, "cheap", snapshot=True))
    engine.deploy(DEARER)
    found.has("+ a food 10", "- a food 10", "+ a food 10")
    engine.write("delete from items where item_id = 'a'")
    found.has("+ a food 10", "- a food 10", "+ a food 10", "- a food 10")
    assert any("dropped" in line for line in found.said)


def test_a_tick_that_is_rolled_back_leaves_no_change(engine: Engine, tail: Start) -> None:
    found = tail("cheap", after=watched_from(engine, "cheap"))
    engine.execute("insert into items values ('a', 'food', 10)")
    with pytest.raises(psycopg.errors.RaiseException), engine.worker.conn.transaction():
        engine.worker.tick()
        engine.worker.conn.execute("do $$ begin raise exception 'the worker dies here'; end $$")
    engine.release()
    engine.tick()
    found.has("+ a food 10")


def test_a_watcher_goes_on_after_the_tick_that_it_names(engine: Engine, tail: Start) -> None:
    start = watched_from(engine, "cheap")
    engine.write("insert into items values ('a', 'food', 10)")
    engine.write("insert into items values ('b', 'food', 20)")
    tail("cheap", after=start).has("+ a food 10", "+ b food 20")
    tail("cheap", after=start + 1).has("+ b food 20")


def test_a_large_tick_and_many_small_ones_are_read_whole(engine: Engine, tail: Start) -> None:
    start = watched_from(engine, "cheap")
    engine.execute("insert into items select 'n' || n, 'food', 1 from generate_series(1, 2500) as n")
    engine.worker.tick(batch=5000)
    for number in range(3):
        engine.write(f"insert into items values ('m{number}', 'food', 2)")
    found = tail("cheap", after=start)
    found.reaches(place(engine))
    assert [len(batch.changes) for batch in found.batches] == [2500, 1, 1, 1]


def test_a_position_before_the_feed_is_refused(engine: Engine) -> None:
    engine.write("insert into items values ('a', 'food', 10)")
    with pytest.raises(Gone, match="--snapshot"):
        next(batches(engine.dsn, "cheap", after=0))
    with pytest.raises(Gone, match="has not been yet"):
        next(batches(engine.dsn, "cheap", after=10_000))


def test_old_changes_and_unread_feeds_are_forgotten(engine: Engine) -> None:
    start = watched_from(engine, "cheap")
    engine.write("insert into items values ('a', 'food', 10)")
    engine.execute("update millstream.feed_change set kept_at = kept_at - interval '2 hours'")
    engine.write("insert into items values ('b', 'food', 20)")
    feed.trim(engine.owner)
    assert engine.value("select count(*) from millstream.feed_change") == 1
    with pytest.raises(Gone, match=f"begins after tick {start + 1}"):
        next(batches(engine.dsn, "cheap", after=start))
    engine.execute("update millstream.feed set read_at = read_at - interval '2 hours'")
    feed.trim(engine.owner)
    assert engine.value("select count(*) from millstream.feed_change") == 0
    engine.write("insert into items values ('c', 'food', 30)")
    assert engine.value("select count(*) from millstream.feed_change") == 0


def test_only_so_many_changes_are_kept_in_whole_ticks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched_from(engine, "cheap")
    for name in "abc":
        engine.write(f"insert into items values ('{name}1', 'food', 10), ('{name}2', 'food', 10)")
    monkeypatch.setattr(feed, "MOST_ROWS", 3)
    feed.trim(engine.owner)
    assert engine.rows("select content ->> 'item_id' from millstream.feed_change order by position") == [
        ("c1",),
        ("c2",),
    ]
    assert engine.value("select since from millstream.feed") == place(engine) - 1


def test_a_watcher_that_fell_behind_is_told(engine: Engine, tail: Start) -> None:
    found = tail("cheap", after=watched_from(engine, "cheap"), keep=timedelta(minutes=1))
    engine.write("insert into items values ('a', 'food', 10)")
    found.has("+ a food 10")
    engine.execute("update millstream.feed set since = since + 100")
    found._thread.join(30)
    assert isinstance(found.error, Gone)


def test_a_plain_view_names_what_it_reads(engine: Engine) -> None:
    engine.deploy_all(
        "create view inner_view as select item_id from cheap",
        "create view serve_view as select item_id from inner_view",
    )
    with pytest.raises(
        MillstreamError, match=r"serve_view is a view, .*\n  hint: watch what it reads \(cheap\)"
    ):
        next(batches(engine.dsn, "serve_view"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chep", "did you mean cheap"),
        ("items", "is a table, and only a materialized view has a feed"),
        ("other.cheap", "no model other.cheap"),
    ],
)
def test_a_name_that_cannot_be_watched_is_refused(engine: Engine, name: str, message: str) -> None:
    with pytest.raises(MillstreamError, match=message):
        next(batches(engine.dsn, name))
