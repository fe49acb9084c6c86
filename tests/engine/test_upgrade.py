"""Views that another version of the compiler stored: built again when a worker starts, and by the next deployment."""

from __future__ import annotations

import pytest

from millstream.engine import deploy
from millstream.engine.state import versions
from tests.engine.engine import Engine

T = "create table t (k integer primary key, g varchar, v integer)"
V = "create materialized view v as select g, sum(v) as s from t group by g"
ON_V = "create materialized view top as select g, s from v where s > 1"
ROWS = "insert into t values (1, 'a', 10), (2, 'a', 5), (3, 'b', 1)"


@pytest.fixture
def old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Views that an older version stored under other column names than this one would."""
    with monkeypatch.context() as patch:
        patch.setattr(versions, "FORMAT", 0)
        engine.deploy_all(T, V, ON_V)
        engine.write(ROWS)
        engine.release()
    engine.execute('alter table millstream_data."v@1" rename column "s1$" to "total$"')
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
        patch.setattr(versions, "FORMAT", versions.FORMAT + 1)
        engine.deploy(ON_V)
    with pytest.raises(versions.Outdated, match=r"another version of Millstream deployed public\.top"):
        engine.tick()


def test_columns_of_sources_get_the_names_that_their_text_says(engine: Engine) -> None:
    """Until names were folded, `userId` without quotes was kept as it is written, and a row's hash was called _h."""
    engine.deploy_all(
        'create table calls ("userId" integer, "Kept" integer, "doubled" integer as ("userId" * 2))',
        'create view plain as select "userId" as u from calls',
        'create materialized view v as select "userId" as u, count(*) as n from calls group by "userId"',
        "create materialized view w as select u from v where n > 1",
    )
    engine.write("insert into calls values (1, 5), (1, 6)")
    engine.release()
    unquoted = 'create table calls (userId integer, "Kept" integer, Doubled integer as (userId * 2))'
    view = "select userId as U, count(*) as N from calls group by userId"
    engine.execute("update millstream.state set definition = %s where name = 'calls'", [unquoted])
    engine.execute("update millstream.relation set definition = %s where name = 'calls'", [unquoted])
    engine.execute("update millstream.state set definition = %s where name = 'v@1'", [view])
    engine.execute("update millstream.relation set definition = %s where name = 'v'", [view])
    engine.execute(
        "update millstream.state set detail = detail || '{\"key\": [\"_h\"]}' where name = 'calls'"
    )
    engine.execute('alter table millstream_data.calls rename column "h$" to _h')
    engine.execute("delete from millstream.setting where name = 'names'")
    engine.tick()
    engine.write('insert into calls (userId, "Kept") values (1, 7), (2, 8)')
    assert engine.all("calls") == [(1, 5, 2), (1, 6, 2), (1, 7, 2), (2, 8, 4)]
    assert engine.all("v") == [(1, 3), (2, 1)]
    assert engine.all("w") == [(1,)]
    assert engine.all("plain") == [(1,), (1,), (1,), (2,)]
    with deploy.connect(engine.dsn):
        engine.write('delete from calls where userId = 1 and "Kept" = 5')
    assert engine.all("v") == [(1, 2), (2, 1)]
    assert deploy.deploy_table(engine.owner, "calls", unquoted).action == "unchanged"
