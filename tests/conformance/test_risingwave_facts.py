"""What a real RisingWave was found to do, which the stand-in does too: the deployer lives with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import psycopg2
import pytest

from millstream.rollout.risingwave.statements import DriverStatements, StatementFailed
from tests.conformance.recorder import Handle, RisingWave
from tests.conformance.runs import Project
from tests.conformance.test_risingwave_deploys import short


def test_an_unchanged_run_reads_the_catalogue_once_and_no_comments(small: Project) -> None:
    assert small.run() == []
    ours = [text for text in small.server.asked if "rw_catalog." in text or "millstream_registry" in text]
    assert [re.findall(r"from (\S+)", text)[0] for text in ours] == [
        "rw_catalog.rw_relations",
        '"dev"."public"."millstream_registry"',
    ]


def by_the_earlier_macros(small: Project) -> None:
    """Let the stamps be where the macros of an earlier release wrote those of tables and materialized views."""
    for relation in small.server.relations.values():
        if relation.kind in ("table", "materialized view") and relation.name != "millstream_registry":
            relation.comment = small.server.registry.pop(f"public.{relation.name}")[0]


def test_a_deployment_of_the_earlier_macros_is_taken_over_and_its_tables_stay(small: Project) -> None:
    by_the_earlier_macros(small)
    table = small.server.relations["clicks"].id
    sent = short(small.run())
    assert sent[0] == "register clicks = 1"
    assert not [text for text in sent if "table" in text]
    assert small.server.relations["clicks"].id == table
    # No comment on a materialized view can be read, so each is built once more, its index under another name.
    assert "create index counts_2_item_id_ix on counts__2 (item_id)" in sent
    assert small.run() == []


def test_an_index_that_something_has_the_name_of_gets_another(small: Project) -> None:
    small.server.execute('create index "counts_2_item_id_ix" on "dev"."public"."idle" (click_id)')
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    assert "create index counts_2_item_id_ix_2 on counts__2 (item_id)" in short(small.run())


def test_a_deployment_cut_off_before_its_stamp_is_made_again(small: Project) -> None:
    small.server = RisingWave()
    small.server.fail_on = "values ('public.counts'"
    small.fails()
    assert {"counts", "counts_1_item_id_ix"} <= set(small.server.relations)
    small.server.fail_on = None
    assert "create index counts_2_item_id_ix on counts__2 (item_id)" in short(small.run())
    assert small.run() == []


def test_a_deployment_cut_off_between_a_swap_and_its_record_is_seen(small: Project) -> None:
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    small.server.fail_on = "values ('public.counts', "
    small.fails()
    built = small.server.relations["counts"].id
    small.server.fail_on = None
    sent = short(small.run())
    assert set(sent[:2]) == {"register counts = 2", "register counts__2 = 1"}
    assert small.server.relations["counts"].id == built
    assert not [text for text in sent if "counts__3" in text]
    assert small.run() == []


def test_what_the_server_refuses_is_told_with_code_file_and_line(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.edit("idle", "select click_id", "select click_id,\n    price as paid")
    execute = small.server.execute

    def refuse(text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        if "idle__2" in text:
            raise psycopg2.ProgrammingError(
                "Failed to run the query\n  1: no such thing\nLINE 4: price as paid\n"
            )
        return execute(text)

    monkeypatch.setattr(small.server, "execute", refuse)
    message = small.fails("--select", "idle").messages["idle"]
    assert "error[MS101] models/idle.sql:3 what RisingWave says to" in message
    assert "Failed to run the query; 1: no such thing" in message


def test_no_parameter_stands_in_limit() -> None:
    with pytest.raises(psycopg2.ProgrammingError, match="non-const expression after LIMIT"):
        RisingWave().execute("select item_id from popular limit $2")


def test_the_mode_of_a_connection_is_not_changed_in_its_transaction() -> None:
    handle = Handle(RisingWave())
    handle.cursor().execute("set timezone = 'UTC'")
    with pytest.raises(psycopg2.ProgrammingError, match="inside a transaction"):
        handle.autocommit = True
    DriverStatements(handle)
    assert handle.autocommit


@pytest.mark.parametrize("connect", [psycopg.connect, psycopg2.connect])
def test_both_drivers_send_every_statement_for_itself(connect: Callable[[str], Any], database: str) -> None:
    handle = connect(database)
    handle.cursor().execute("set timezone = 'UTC'")
    statements = DriverStatements(handle)
    statements.send("create table kept (a text)")
    with pytest.raises(StatementFailed, match=r"error\[MS101\]") as failed:
        statements.send("select 1\nfrom lacking")
    assert failed.value.line == 2
    assert statements.ask("select count(*), '%s' from kept") == [(0, "%s")]
    handle.close()
