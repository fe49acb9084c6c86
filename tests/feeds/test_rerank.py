"""Lists that are computed again outside of a tick show in the feed."""

from __future__ import annotations

from collections.abc import Callable

from millstream.engine.rerank import rerank
from tests.engine.engine import Engine
from tests.engine.test_rerank import lists  # noqa: F401 - a fixture
from tests.feeds.tail import Tail


def test_a_list_that_is_computed_again_is_an_update(lists: Engine, tail: Callable[..., Tail]) -> None:  # noqa: F811
    start = int(lists.value("select millstream.watch('public', 'lists')"))
    lists.write("update people set items = '{b}' where person = 'bob'")
    lists.write("update weights set weight = 9 where item = 'a'")
    rerank(lists.owner)
    lists.write("delete from people where person = 'cay'")
    found = tail("lists", after=start)
    found.reaches(int(lists.value("select tick from millstream.clock")))
    shown = [f"{c.op} {c.row['person']} {''.join(c.row['items'])}" for c in found.changes]
    assert shown == ["- bob cba", "+ bob b", "- ann cba", "+ ann acb", "- cay cba", "+ cay acb", "- cay acb"]
    ticks = [change.tick for change in found.changes]
    assert ticks == sorted(ticks)
    assert len(set(ticks)) == 3
