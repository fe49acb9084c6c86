"""What the server says that is no fault of a definition: a code, what was being done, and the remedy."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.state.server_faults import code_for, refused_by_server
from millstream.errors import Refused
from tests.compiler.golden import Case, each_case
from tests.engine.engine import Engine


@each_case(Path(__file__).parent / "server_faults.golden")
def test_what_is_told(case: Case) -> None:
    state, _, message = case.given.strip().partition(" ")
    error = psycopg.errors.lookup(state)(message)
    case.check(str(refused_by_server(error, "the deployment", "sql/model.sql")))


def test_the_driver_speaks_of_a_connection() -> None:
    assert code_for(psycopg.OperationalError("connection failed: No route to host")) == "MS091"


def test_a_role_without_the_right_to_deploy_is_told_so(engine: Engine) -> None:
    """It is no fault of the text, and no cast would mend it."""
    engine.deploy("create table t (k integer primary key)")
    engine.owner.execute("create role guest")
    try:
        engine.owner.execute("grant all on all tables in schema millstream to guest")
        engine.owner.execute("grant usage on schema millstream, millstream_data to guest")
        engine.owner.execute("set role guest")
        with pytest.raises(Refused) as caught:
            deploy.deploy_view(engine.owner, "v", "select k from t", materialized=False, path="sql/v.sql")
        assert str(caught.value).startswith("error[MS094] sql/v.sql v: a right is missing")
    finally:
        engine.owner.execute("reset role")
        engine.owner.execute("drop owned by guest")
        engine.owner.execute("drop role guest")
