"""Views that another version of the compiler stored: built again when a worker starts, and by the next deployment."""

from __future__ import annotations

import pytest

from millstream.runtime import upgrade
from tests.engine.engine import Engine

T = "create table t (k integer primary key, g varchar, v integer)"
V = "create materialized view v as select g, sum(v) as s from t group by g"
ON_V = "create materialized view top as select g, s from v where s > 1"
ROWS = "insert into t values (1, 'a', 10), (2, 'a', 5), (3, 'b', 1)"


@pytest.fixture
def old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Views that an older version stored under other column names than this one would."""
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "FORMAT", 0)
        engine.deploy_all(T, V, ON_V)
        engine.write(ROWS)
        engine.release()
    engine.execute('alter table millstream_data."v@1" rename column "_s1" to "_total"')
    return engine


def test_a_starting_worker_builds_them_again(old: Engine) -> None:
    old.write("insert into t values (4, 'b', 1)")
    assert old.all("v") == [("a", 15), ("b", 2)]
    assert old.all("top") == [("a", 15), ("b", 2)]
    assert old.states() == ["t", "top@2", "v@2"]


def test_readers_see_the_stored_rows_until_then(old: Engine) -> None:
    assert old.all("top") == [("a", 15)]


def test_a_deployment_builds_them_again_though_their_text_is_the_same(old: Engine) -> None:
    assert old.deploy(V).action == "replaced"
    assert old.deploy(ON_V).action == "unchanged"  # rebuilt with it
    assert old.states() == ["t", "top@2", "v@2"]


def test_a_worker_that_already_runs_says_that_it_must_be_restarted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.deploy_all(T, V)
    engine.write(ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "FORMAT", upgrade.FORMAT + 1)
        engine.deploy(ON_V)
    with pytest.raises(upgrade.Outdated, match=r"another version of Millstream deployed public\.top"):
        engine.tick()
