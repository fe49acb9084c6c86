"""Statement by statement, what `dbt run --target risingwave` sends for new, changed, unchanged and dropped models."""

from __future__ import annotations

import re

from tests.conformance.conftest import MODELS
from tests.conformance.recorder import RisingWave
from tests.conformance.runs import Project

STAMP = re.compile(r'millstream \{.*?"version": (\d+)\}', re.S)


def short(statements: list[str]) -> list[str]:
    """Statements without what does not matter here: the database, queries, declarations and stamps but for the version."""
    found = []
    for statement in statements:
        text = statement.replace('"dev"."public".', "").replace('"public".', "").replace('"', "")
        if not text.startswith("create subscription"):
            text = re.sub(r" (as|with|\()( \()? *\n.*", "", text, flags=re.S)
        if text.startswith("insert"):
            names = re.findall(r"\('(?:function:)?public\.(\w+)'", statement)
            found += [
                f"register {name} = {version}"
                for name, version in zip(names, STAMP.findall(statement), strict=True)
            ]
            continue
        if text.startswith("delete"):
            text = "forget " + re.findall(r"'public\.(\w+)'", statement)[0]
        found.append(text)
    return found


def test_the_first_run_creates_everything_in_order(small: Project) -> None:
    small.server = RisingWave()
    assert short(small.run()) == [
        "create table clicks",
        "register clicks = 1",
        "create materialized view counts",
        "create index counts_1_item_id_ix on counts (item_id)",
        "register counts = 1",
        "create materialized view idle",
        "register idle = 1",
        "create materialized view popular",
        "register popular = 1",
        "create sink popular_to_kafka from popular",
        "register popular_to_kafka = 1",
        "create view serve_popular",
        "register serve_popular = 1",
    ]


def test_the_next_run_sends_nothing(small: Project) -> None:
    assert small.run() == []


def test_a_comment_or_a_line_break_changes_nothing(small: Project) -> None:
    small.edit("counts", "select item_id,", "-- How often an item was clicked.\nselect\n    item_id,")
    assert small.run() == []


def test_a_changed_view_is_built_beside_swapped_and_its_readers_with_it(small: Project) -> None:
    before = small.server.relations["idle"].id
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    assert short(small.run()) == [
        "create materialized view counts__2",
        "create index counts_2_item_id_ix on counts__2 (item_id)",
        "register counts__2 = 2",
        "alter materialized view counts swap with counts__2",
        "register counts = 2",
        "register counts__2 = 1",
        "create materialized view popular__2",
        "register popular__2 = 2",
        "alter materialized view popular swap with popular__2",
        "register popular = 2",
        "register popular__2 = 1",
        "create sink popular_to_kafka__2 from popular",
        "alter sink popular_to_kafka swap with popular_to_kafka__2",
        "drop sink popular_to_kafka__2",
        "register popular_to_kafka = 2",
        "register popular_to_kafka__2 = 1",
        "create view serve_popular__2",
        "alter view serve_popular swap with serve_popular__2",
        "register serve_popular = 2",
        "register serve_popular__2 = 1",
        "drop view serve_popular__2",
        "forget serve_popular__2",
        "drop materialized view popular__2",
        "forget popular__2",
        "drop materialized view counts__2",
        "forget counts__2",
    ]
    relations = small.server.relations
    assert relations["serve_popular"].reads == (relations["popular"].id,)
    assert relations["popular"].reads == (relations["counts"].id,)
    assert relations["idle"].id == before
    assert set(relations) - {"millstream_registry", "counts_2_item_id_ix"} == {p[:-4] for p in MODELS}
    assert small.run() == []


def test_a_run_that_ends_before_the_swap_leaves_the_old_view_serving(small: Project) -> None:
    serving = small.server.relations["counts"].id
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    small.server.fail_on = "swap with"
    small.fails()
    assert small.server.relations["counts"].id == serving
    small.server.fail_on = None
    sent = short(small.run())
    assert sent[0] in ("create materialized view counts__2", "create materialized view counts__3")
    assert small.server.relations["counts"].id != serving
    assert not [name for name in small.server.relations if re.search(r"__\d+$", name)]


def test_a_run_that_ends_after_a_swap_is_finished_by_the_next(small: Project) -> None:
    reader = small.server.relations["popular"]
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    small.server.fail_on = '"popular__2" as'
    outcome = small.fails()
    assert outcome.messages["counts"] == "replaced: version 2, its definition changed"
    relations = small.server.relations
    assert relations["popular"] is reader
    assert relations["counts__2"].id in reader.reads, (
        "the reader goes on with the old version, which is not dropped"
    )
    small.server.fail_on = None
    assert short(small.run())[0] == "create materialized view popular__2"
    assert relations["popular"].reads == (relations["counts"].id,)
    assert "counts__2" not in relations


def test_a_view_deployed_alone_keeps_the_version_that_its_readers_read(small: Project) -> None:
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    sent = short(small.run("--select", "counts"))
    assert sent[-3:] == [
        "alter materialized view counts swap with counts__2",
        "register counts = 2",
        "register counts__2 = 1",
    ]
    assert "counts__2" in small.server.relations
    assert short(small.run())[-2:] == ["drop materialized view counts__2", "forget counts__2"]


def test_nothing_without_rows_replaces_something_with_rows(small: Project) -> None:
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    small.server.empty = {"counts__2"}
    outcome = small.fails()
    assert "counts was not replaced: its new version has no rows" in outcome.messages["counts"]
    assert "MILLSTREAM_ALLOW_EMPTY=1" in outcome.messages["counts"]
    assert not [text for text in outcome.sent if "swap with" in text]
    small.server.empty = {"counts__2", "counts__3"}
    assert "swap with" in " ".join(small.run(MILLSTREAM_ALLOW_EMPTY="1"))


def test_who_could_read_the_old_version_can_read_the_new_one_from_the_swap_on(small: Project) -> None:
    small.server.relations["serve_popular"].users = ("root", "shop_reader")
    small.edit("serve_popular", "select item_id", "select item_id || '' as item_id")
    sent = short(small.run())
    granted = "grant select on view serve_popular__2 to shop_reader"
    assert sent.index(granted) < sent.index("alter view serve_popular swap with serve_popular__2")
    assert len([text for text in sent if text.startswith("grant")]) == 1


def test_the_previous_version_is_kept_when_asked(small: Project) -> None:
    for n in (1, 2):
        small.edit("counts", "count(*)", f"{n} * count(*)")
        small.run(MILLSTREAM_KEEP_PREVIOUS="1")
    relations = small.server.relations
    kept = {name for name in relations if re.search(r"__\d+$", name)}
    assert kept == {"counts__3", "popular__3", "serve_popular__3"}
    assert relations["serve_popular__3"].reads == (relations["popular__3"].id,)
    assert relations["popular__3"].reads == (relations["counts__3"].id,)
    small.run()
    assert not [name for name in relations if re.search(r"__\d+$", name)]


def test_a_full_refresh_builds_everything_again_without_a_gap_and_keeps_tables(small: Project) -> None:
    table = small.server.relations["clicks"].id
    sent = short(small.run("--full-refresh"))
    assert len([text for text in sent if "swap with" in text]) == 5
    assert not [text for text in sent if "cascade" in text or "drop table" in text]
    assert small.server.relations["clicks"].id == table


def test_a_view_becomes_a_materialized_view_by_renaming(small: Project) -> None:
    small.edit("serve_popular", "'view'", "'materialized_view'")
    assert short(small.run()) == [
        "create materialized view serve_popular__2",
        "register serve_popular__2 = 2",
        "alter view serve_popular rename to serve_popular__2_old",
        "alter materialized view serve_popular__2 rename to serve_popular",
        "register serve_popular = 2",
        "register serve_popular__2_old = 1",
        "forget serve_popular__2",
        "drop view serve_popular__2_old",
        "forget serve_popular__2_old",
    ]


def test_a_table_gains_columns_at_its_end(small: Project) -> None:
    small.edit("clicks", "numeric(10, 2)", "numeric(10, 2),\n    tags varchar[]")
    assert short(small.run()) == [
        "alter table clicks add column tags varchar[]",
        "register clicks = 1",
    ]
    assert small.run() == []


def test_a_table_is_never_altered_otherwise(small: Project) -> None:
    for before, after in (
        ("item_id varchar", "item_id integer"),
        ("on conflict do nothing", "on conflict do update full"),
        ("price numeric(10, 2)", "price numeric(10, 2),\n    tags varchar not null"),
    ):
        small.write("clicks", MODELS["clicks.sql"])
        small.edit("clicks", before, after)
        outcome = small.fails("--select", "clicks")
        assert "changed by more than new nullable columns at the end" in outcome.messages["clicks"]
        assert "dbt run --full-refresh --select clicks+" in outcome.messages["clicks"]
        assert outcome.sent == []
    outcome = small.run("--full-refresh")
    assert short(outcome)[:2] == ["drop table clicks cascade", "create table clicks"]


def test_a_table_that_something_else_made_is_adopted_only_with_its_columns(small: Project) -> None:
    del small.server.registry["public.clicks"]
    assert short(small.run()) == ["register clicks = 1"]
    del small.server.registry["public.clicks"]
    small.server.relations["clicks"].comment = "by hand"
    small.edit("clicks", "item_id varchar", "product_id varchar")
    assert "clicks" in small.fails("--select", "clicks").messages["clicks"]


def test_a_changed_sink_takes_over_before_the_old_one_goes(small: Project) -> None:
    small.edit("popular_to_kafka", "topic = 'popular'", "topic = 'most_popular'")
    assert short(small.run()) == [
        "create sink popular_to_kafka__2 from popular",
        "alter sink popular_to_kafka swap with popular_to_kafka__2",
        "drop sink popular_to_kafka__2",
        "register popular_to_kafka = 2",
        "register popular_to_kafka__2 = 1",
    ]


def test_a_change_feed_follows_its_view(small: Project) -> None:
    small.edit(
        "popular", "materialized='materialized_view'", "materialized='materialized_view', change_feed='1D'"
    )
    sent = short(small.run())
    assert "create subscription popular_feed from popular with (retention = '1D')" in sent
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    sent = short(small.run())
    at = sent.index("alter materialized view popular swap with popular__3")
    assert sent[at + 3 : at + 6] == [
        "create subscription popular_feed__2 from popular with (retention = '1D')",
        "alter subscription popular_feed swap with popular_feed__2",
        "drop subscription popular_feed__2",
    ]
    relations = small.server.relations
    assert relations["popular_feed"].reads == (relations["popular"].id,)


def test_what_left_the_project_is_dropped_when_asked_and_tables_are_not(small: Project) -> None:
    for name in ("serve_popular", "popular_to_kafka", "popular", "counts", "idle", "clicks"):
        (small.root / f"models/{name}.sql").unlink()
    small.write("other", "{{ config(materialized='view') }} select 1 as one")
    small.run()
    listed = small.dbt("run-operation", "rw_drop_removed")
    assert listed.success and listed.sent == []
    dropped = short(small.dbt("run-operation", "rw_drop_removed", "--args", "{dry_run: false}").sent)
    assert [text for text in dropped if text.startswith("drop")] == [
        "drop materialized view idle",
        "drop sink popular_to_kafka",
        "drop view serve_popular",
        "drop materialized view popular",
        "drop materialized view counts",
    ]
    assert "clicks" in small.server.relations


FUNCTION = """
functions:
  - name: score_v1
    config: {type: scalar, link: "http://udf:8815", entry_point: score_v1, runtime_version: "3.11"}
    arguments:
      - {name: clicks, data_type: bigint}
    returns: {data_type: double precision}
"""


def test_a_function_is_declared_before_the_view_that_calls_it_and_never_replaced(small: Project) -> None:
    folder = small.root / "udfs"
    folder.mkdir(parents=True)
    (folder / "score_v1.py").write_text("# served elsewhere\n")
    (folder / "score_v1.yml").write_text(FUNCTION)
    small.write(
        "scored",
        """{{ config(materialized='materialized_view') }}
select item_id, {{ function('score_v1') }}(clicks) as score from {{ ref('counts') }}
""",
    )
    sent = small.run()
    assert sent[1:2] == [
        'create function "public"."score_v1" (clicks bigint)\nreturns double precision\n'
        "as 'score_v1' using link 'http://udf:8815'"
    ]
    assert short(sent)[0] == "register score_v1 = 1"
    assert short(sent)[2:] == ["create materialized view scored", "register scored = 1"]
    assert small.run() == []
    (folder / "score_v1.yml").write_text(FUNCTION.replace("bigint", "integer"))
    small.edit("scored", "(clicks)", "(clicks + 1)")
    message = small.fails().messages["scored"]
    assert "score_v1 is there with another signature or link" in message
    assert "a new name with a higher version" in message
