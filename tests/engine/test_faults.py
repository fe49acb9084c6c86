"""What PostgreSQL says of a definition, and faults of the compiler, reach the author as refusals of the model."""

from __future__ import annotations

import psycopg
import pytest

from millstream.compiler.binder import select
from millstream.engine import deploy
from millstream.errors import Refused
from tests.engine.engine import Engine

T = "create table t (k integer primary key, price_2 integer, note varchar)"


@pytest.fixture
def stocked(engine: Engine) -> Engine:
    engine.deploy(T)
    engine.write("insert into t values (1, 2, 'x')")
    return engine


def test_names_are_told_as_they_are_written(stocked: Engine) -> None:
    with pytest.raises(Refused) as caught:
        stocked.deploy("create view v as select price_2, price_1 from t", path="sql/v.sql")
    assert 'error[MS028] sql/v.sql:1:17 v: column "price_1" does not exist' in str(caught.value)
    with pytest.raises(Refused) as caught:
        stocked.deploy(
            "create materialized view v as select s.x.y as z from (select price_2 as x from t) as s"
        )
    assert "MS003" in str(caught.value)
    with pytest.raises(Refused, match=r"MS028.*v: \(s\.x\)\.y"):
        stocked.deploy(
            "create materialized view v as select (s.x).y as z from (select price_2 as x from t) as s"
        )


def test_a_fault_of_the_compiler_names_the_model_and_asks_to_report_it(
    stocked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("k_3")

    monkeypatch.setattr(select, "bind_items", broken)
    with pytest.raises(Refused) as caught:
        stocked.deploy("create materialized view v as select k from t", path="sql/v.sql")
    assert str(caught.value).startswith("error[MS029] sql/v.sql v: KeyError in the compiler\n")
    assert "hint: report it with the text of the model" in str(caught.value)
    assert stocked.states() == ["t"]


def test_what_is_refused_leaves_nothing_behind(stocked: Engine) -> None:
    before = stocked.stored_tables()
    with pytest.raises(Refused, match="MS028"):
        stocked.deploy(
            "create materialized view v as select k, count(*) as n, nothing(max(k)) as f from t group by k"
        )
    assert stocked.stored_tables() == before
    assert stocked.deploy("create materialized view v as select k from t").action == "created"


def test_a_reader_that_no_longer_fits_stays_on_the_old_version(stocked: Engine) -> None:
    stocked.deploy_all(
        "create materialized view v as select k, price_2 as p from t",
        "create materialized view w as select k, abs(p) as size from v",
    )
    changed = stocked.deploy("create materialized view v as select k, note as p from t")
    assert changed.rebuilt == ("w (stays on the old version until it is deployed again)",)
    stocked.write("insert into t values (2, -5, 'y')")
    assert stocked.all("w") == [(1, 2), (2, 5)]
    assert stocked.all("v") == [(1, "x"), (2, "y")]


def test_errors_that_are_not_the_definition_s_pass_as_they_are(stocked: Engine) -> None:
    with psycopg.connect(stocked.dsn) as other:
        other.execute("lock table millstream.clock in access exclusive mode")
        stocked.owner.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            stocked.deploy("create materialized view v as select k from t")


@pytest.mark.parametrize(
    "text",
    [
        "select k from t;",
        "select k from t -- the key",
        "select k from t; -- the key\n",
        "/* a */ select k from t\n;\n",
    ],
)
def test_a_semicolon_and_comments_at_the_end_are_no_part_of_a_view(stocked: Engine, text: str) -> None:
    deploy.deploy_view(stocked.owner, "v", text)
    deploy.deploy_view(stocked.owner, "w", text, materialized=False)
    assert stocked.all("v") == stocked.all("w") == [(1,)]


@pytest.mark.parametrize("text", ["", "   \n", ";", "-- nothing yet", "select 1 as a; select 2 as b"])
@pytest.mark.parametrize("materialized", [True, False])
def test_a_file_without_one_select_is_refused(engine: Engine, text: str, materialized: bool) -> None:
    with pytest.raises(Refused, match="a model is exactly one SELECT") as caught:
        deploy.deploy_view(engine.owner, "v", text, materialized=materialized)
    assert caught.value.diagnostic.code == "MS001"
