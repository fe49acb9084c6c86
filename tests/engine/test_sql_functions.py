"""SQL functions: deployed, called by models and queries, and changed."""

from __future__ import annotations

import pytest

from millstream.engine.deploy import deploy_sql_function
from millstream.errors import Refused
from tests.engine.engine import Engine

TWICE = "create function twice(a int) returns int language sql as $$ select a * 2 $$"


def test_a_model_calls_it_and_a_plain_view_and_a_query_too(engine: Engine) -> None:
    assert deploy_sql_function(engine.owner, TWICE).action == "created"
    engine.deploy_all(
        "create table t (k integer primary key)",
        "create materialized view m as select twice(k) as d, count(*) as n from t group by twice(k)",
        "create view v as select twice(k) as d from t where twice(k) > 2",
        "create materialized view w as select d from v",
    )
    engine.write("insert into t values (1), (2)")
    assert engine.all("m") == [(2, 1), (4, 1)]
    assert engine.all("v") == engine.all("w") == [(4,)]
    assert engine.value("select twice(21)") == 42


def test_arguments_and_result_have_the_declared_types(engine: Engine) -> None:
    ddl = "create function half(a numeric) returns int language sql as $$ select a / 2 $$"
    deploy_sql_function(engine.owner, ddl)
    engine.deploy_all(
        "create table t (k integer)", "create materialized view m as select half(k) as h from t"
    )
    engine.write("insert into t values (3)")
    assert engine.all("m") == [(2,)] == engine.rows("select half(3)")


def test_a_changed_body_rebuilds_what_calls_it(engine: Engine) -> None:
    deploy_sql_function(engine.owner, TWICE)
    engine.deploy_all(
        "create table t (k integer)",
        "create materialized view m as select twice(k) as d from t",
        "create materialized view o as select d from m",
    )
    engine.write("insert into t values (1)")
    assert deploy_sql_function(engine.owner, TWICE).action == "unchanged"
    again = deploy_sql_function(engine.owner, TWICE.replace("a * 2", "a + a + 1"))
    assert (again.action, again.rebuilt) == ("replaced", ("m", "o"))
    assert engine.all("m") == engine.all("o") == [(3,)]
    engine.write("insert into t values (2)")
    assert engine.all("o") == [(3,), (5,)]


def test_a_worker_that_starts_later_reads_the_same_body(engine: Engine) -> None:
    deploy_sql_function(engine.owner, TWICE)
    engine.deploy_all(
        "create table t (k integer)", "create materialized view m as select twice(k) as d from t"
    )
    engine.tick()
    engine.release()
    engine.write("insert into t values (1)")
    assert engine.all("m") == [(2,)]


def test_another_signature_needs_another_name(engine: Engine) -> None:
    deploy_sql_function(engine.owner, TWICE)
    with pytest.raises(Refused, match="MS033"):
        deploy_sql_function(engine.owner, TWICE.replace("a int", "a bigint"))
    engine.deploy("create table t (k integer)")
    with pytest.raises(Refused, match="MS032"):
        deploy_sql_function(engine.owner, TWICE.replace("twice", "t"))


def test_what_a_model_calls_is_not_dropped(engine: Engine) -> None:
    deploy_sql_function(engine.owner, TWICE)
    engine.deploy_all(
        "create table t (k integer)", "create materialized view m as select twice(k) as d from t"
    )
    with pytest.raises(Exception, match="twice is read by m"):
        engine.drop("twice")
    engine.drop("m")
    engine.drop("twice")
    assert engine.rows("select 1 from pg_proc where proname = 'twice'") == []
