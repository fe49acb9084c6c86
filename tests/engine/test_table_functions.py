"""Set-returning functions in a running engine: what a bad value costs, how long a series may be, lists of structs."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.errors import Refused
from tests.engine.engine import Engine

DOCUMENTS = "create table documents (id integer, body jsonb, low integer, high bigint, primary key (id))"


@pytest.fixture
def documents(engine: Engine) -> Engine:
    engine.deploy(DOCUMENTS)
    return engine


def failures(engine: Engine) -> list[tuple[str, str]]:
    """(expression, message) of what failed so far."""
    engine.worker.housekeep()
    return engine.rows("select expression, message from millstream.evaluation_errors order by 1")


def test_a_document_that_is_no_list_costs_its_own_elements_only(documents: Engine) -> None:
    documents.deploy(
        "create materialized view v as select d.id, e from documents as d, jsonb_array_elements(d.body) as e"
    )
    documents.write(
        """insert into documents values (1, '["x", 2]'), (2, '{"a": 1}'), (3, null), (4, '[]'), (5, '[null]')"""
    )
    assert documents.rows("select id, e::text from v order by 1, 2") == [(1, '"x"'), (1, "2"), (5, "null")]
    assert failures(documents) == [("jsonb_array_elements(d.body)", "JSON that is not an array")]
    documents.write("""update documents set body = '["y"]' where id = 2""")
    assert documents.rows("select e::text from v where id = 2") == [('"y"',)]


def test_a_row_whose_other_function_fails_keeps_the_elements_of_this_one(documents: Engine) -> None:
    documents.deploy(
        "create materialized view v as select id, jsonb_array_elements(body) as e, generate_series(1, low) as n from documents"
    )
    documents.write("""insert into documents values (1, '["x"]', 2), (2, '7', 1), (3, '7', null)""")
    assert documents.rows("select id, e::text, n from v order by 1, 3") == [
        (1, '"x"', 1),
        (1, None, 2),
        (2, None, 1),
    ]


def test_a_series_ends(documents: Engine) -> None:
    """A step of zero, or billions of elements, is a failure of that row."""
    documents.deploy_all(
        "create materialized view steps as select d.id, n from documents as d, generate_series(0, 4, d.low) as n",
        "create materialized view counts as select d.id, count(*) as n from documents as d, generate_series(1, d.high) as n"
        " group by d.id",
        "create materialized view days as select d.id, at from documents as d,"
        " generate_series(timestamptz '2030-01-01', case when d.high > 3 then timestamptz 'infinity'"
        " else timestamptz '2030-01-02' end, interval '1 day') as at",
    )
    documents.write(
        "insert into documents values (1, null, 0, 3), (2, null, 2, 100000), (3, null, -1, 100001), (4, null, 4, 9000000000000)"
    )
    assert documents.all("steps") == [(2, 0), (2, 2), (2, 4), (4, 0), (4, 4)]
    assert documents.all("counts") == [(1, 3), (2, 100000)]
    assert documents.rows("select id, count(*) from days group by id") == [(1, 2)]
    assert {message for _, message in failures(documents)} >= {
        "a series without a step, without an end, or too long"
    }


def test_the_fields_of_a_list_of_structs_are_columns(documents: Engine, tmp_path: Path) -> None:
    code = "def best(n):\n    return [{'item': f'i{k}', 'score': k / 2} for k in range(n or 0)]\n"
    returns = "struct<item varchar, score double precision>[]"
    documents.deploy_python(tmp_path / "udfs" / "best.py", "best", "n integer", returns, code)
    documents.deploy_all(
        "create materialized view lists as select id, best(low) as found from documents",
        "create materialized view v as select l.id, r.item, r.score, r.place from lists as l"
        " cross join unnest(l.found) with ordinality as r (item, score, place)",
    )
    documents.write("insert into documents (id, low) values (1, 2), (2, 0)")
    assert documents.all("v") == [(1, "i0", 0.0, 1), (1, "i1", 0.5, 2)]


def test_a_plain_list_has_one_column(engine: Engine) -> None:
    engine.deploy("create table t (k integer, tags varchar[], primary key (k))")
    with pytest.raises(Refused, match="MS025"):
        engine.deploy(
            "create materialized view v as select t.k, u.b from t cross join unnest(t.tags) as u (a, b)"
        )


def test_ignore_nulls_in_a_plain_view(documents: Engine) -> None:
    documents.deploy(
        "create view v as select id, last_value(low ignore nulls) over (order by id) as last from documents"
    )
    documents.write("insert into documents (id, low) values (1, 5), (2, null), (3, 7), (4, null)")
    assert documents.all("v") == [(1, 5), (2, 5), (3, 7), (4, 7)]
