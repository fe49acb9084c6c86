"""The flow of the models goes one way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.compiled import ROOT, Model, Project, compile_project

# What each layer may read. Sources that describe (REFERENCE) hold one row per key as it was loaded, and any layer may
# look them up by key: that is how facts that must not be stale reach a list when it is read. Sources that hold what
# people did (ACTS) are read by staging alone, so that nothing gets round identity, consent and erasure.
MAY_READ = {
    "sources": set(),
    "staging": {"sources", "staging"},
    "features": {"staging", "features"},
    "candidates": {"features", "candidates"},
    "ranking": {"features", "candidates", "ranking"},
    "serving": {"features", "candidates", "ranking", "serving"},
    "experiments": {"features", "ranking", "serving", "experiments"},
    "sinks": {"ranking"},
}
WITH_ADDRESSES = {
    "MILLSTREAM_KAFKA": "kafka:9092",
    "MILLSTREAM_SINK_POSTGRES_HOST": "postgres",
    "MILLSTREAM_SINK_REDIS": "redis://redis:6379/",
}
"""What turns on the models that are off until they have an address."""
ACTS = {"events", "events_raw", "identities", "past_identities", "tombstones", "tombstone_keys"}
REFERENCE = {
    "items",
    "inventory",
    "users",
    "category_rules",
    "excluded_items",
    "erased_users",
    "ranking_models",
    "ranking_weights",
    "item_vectors",
    "embedding_neighbours",
}
PREFIXES = {
    "staging": ("stg_", "load_"),
    "features": ("feat_",),
    "candidates": ("cand_", "i2i_"),
    "ranking": ("rank_",),
    "serving": ("serve_",),
    "experiments": ("exp_",),
}
PROCESS_TIME = "for system_time as of proctime()"


def test_every_source_is_either_acts_or_reference(project: Project) -> None:
    tables = {m.name for m in project.models.values() if m.materialized == "table_with_connector"}
    assert tables == ACTS | REFERENCE


def test_each_layer_reads_only_what_lies_before_it(project: Project) -> None:
    wrong = [
        f"{model.name} ({model.layer}) reads {other}"
        for model in project.models.values()
        for other in model.reads
        if project.models[other].layer not in MAY_READ[model.layer] and other not in REFERENCE
    ]
    assert wrong == []


def test_only_staging_reads_what_people_did(project: Project) -> None:
    readers = {
        model.name
        for model in project.models.values()
        if ACTS & set(model.reads) and model.materialized != "sink"
    }
    assert readers and all(project.models[name].layer == "staging" for name in readers)


def test_the_only_ways_back_are_the_sinks_of_raw_messages_and_links(project: Project) -> None:
    back = {m.name: m.reads for m in project.models.values() if m.materialized == "sink"}
    assert back == {
        "events_from_raw": ("events", "stg_events_raw_parsed"),
        "past_identities_from_identities": ("past_identities", "stg_identities_hashed"),
    }


def test_names_tell_the_layer(project: Project) -> None:
    wrong = [
        model.name
        for model in project.models.values()
        if model.layer in PREFIXES
        and model.materialized != "sink"
        and not model.name.startswith(PREFIXES[model.layer])
    ]
    assert wrong == []
    assert {model.layer for model in project.models.values()} == set(MAY_READ) - {"sinks"}


def test_sinks_copy_the_lists_and_nothing_reads_them(tmp_path: Path) -> None:
    models = compile_project("risingwave", tmp_path, **WITH_ADDRESSES).models
    sinks = {model.name: model.reads for model in models.values() if model.layer == "sinks"}
    assert sinks.keys() == {path.stem for path in (ROOT / "sql/sinks").glob("*.sql")}
    assert {models[name].layer for reads in sinks.values() for name in reads} == MAY_READ["sinks"]
    assert not [model.name for model in models.values() if sinks.keys() & set(model.reads)]
    assert {model.layer for model in models.values()} == set(MAY_READ)


def test_the_map_shows_every_layer() -> None:
    readme = (ROOT / "sql/README.md").read_text()
    layers = {path.name for path in (ROOT / "sql").iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| \[(\w+)\]\(\1\) \|", readme, re.MULTILINE)) == layers == set(MAY_READ)


def joins_at_process_time(model: Model) -> bool:
    return PROCESS_TIME in model.path.read_text().lower()


def test_a_view_never_joins_at_process_time(project: Project) -> None:
    """RisingWave refuses it, and a view over an ephemeral model that does."""

    def reaches(name: str) -> bool:
        model = project.models[name]
        through = [other for other in model.reads if project.models[other].materialized == "ephemeral"]
        return joins_at_process_time(model) or any(reaches(other) for other in through)

    joining = [model for model in project.models.values() if joins_at_process_time(model)]
    assert joining
    assert [m.name for m in project.models.values() if m.materialized == "view" and reaches(m.name)] == []


def test_the_right_side_of_a_process_time_join_is_stored(project: Project) -> None:
    stored = {"table_with_connector", "materialized_view"}
    for model in filter(joins_at_process_time, project.models.values()):
        for line in model.path.read_text().splitlines():
            if PROCESS_TIME in line:
                name = line.split("ref('")[1].split("')")[0]
                assert project.models[name].materialized in stored, f"{model.name}: {name}"


def test_every_candidate_comes_from_the_one_row_of_its_user(project: Project) -> None:
    """Otherwise a list would be recomputed when the world moves instead of when its user acts."""

    def drivers(name: str) -> set[str]:
        model = project.models[name]
        text = model.path.read_text()
        followed = set()
        for other in model.reads:
            if f"ref('{other}') }}}} {PROCESS_TIME}" in text:
                continue
            ephemeral = project.models[other].materialized == "ephemeral"
            followed |= drivers(other) if ephemeral else {other}
        return followed

    assert drivers("rank_user_list") == {"feat_user_recent"}


@pytest.mark.parametrize("limit", [130])
def test_models_are_short(project: Project, limit: int) -> None:
    long = {m.name: n for m in project.models.values() if (n := len(m.path.read_text().splitlines())) > limit}
    assert long == {}


def test_position_is_never_written_without_its_relation(project: Project) -> None:
    """RisingWave's parser takes a bare `position` for the start of POSITION(… IN …)."""
    bare = re.compile(r"(?<![\w.'])position\b(?!')")
    for model in project.models.values():
        if model.materialized == "table_with_connector":
            continue
        for line in model.path.read_text().splitlines():
            code = line.partition("--")[0].replace("as position", "").replace("(item_id, position)", "")
            assert not bare.search(code), f"{model.path.name}: {line}"
