"""Every model says what a row is, what its key is, and what its columns mean."""

from __future__ import annotations

import re

from tests.project.compiled import ROOT, Project, strategies
from tests.project.shop import Shop

# Columns that every list for an application has.
LIST_COLUMNS = [
    "rank",
    "item_id",
    "name",
    "category",
    "brand",
    "price",
    "image_url",
    "score",
    "strategy",
    "reason_item_id",
    "reason_text",
    "tier",
    "computed_at",
    "rec_id",
    "slot",
    "variant",
    "model_version",
    "source",
]
FACTS = {"serve_segments", "serve_bought_items"}
# Raw messages repeat: their key is that of events, which drops the repetitions.
WITHOUT_KEY = {"events_raw", "stg_events_raw_parsed", "stg_events_rejected"}
DESCRIBED_LAYERS = {"sources", "staging", "features", "candidates", "serving", "experiments"}


def stored_or_read(project: Project) -> list[str]:
    return [m.name for m in project.models.values() if m.materialized not in ("ephemeral", "sink")]


def test_every_model_states_its_grain(project: Project) -> None:
    """A strategy's is that of cand_all, which describes them all (test_strategies.py)."""
    listed = {f"cand_{row['name']}" for row in strategies()}
    missing = {m.name for m in project.models.values() if not m.meta.get("grain") or not m.description}
    assert missing == listed


def test_every_model_tests_its_key(project: Project) -> None:
    tests: dict[str, set[str]] = {}
    for node in project.manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            name = node["attached_node"].split(".")[-1]
            tests.setdefault(name, set()).add(node["test_metadata"]["name"])
    keyed = [name for name in stored_or_read(project) if name not in WITHOUT_KEY]
    for name in keyed:
        assert tests.get(name, set()) & {"unique", "unique_key"}, f"{name}: no test of a unique key"
        assert "not_null" in tests[name], f"{name}: no test that the key is not null"


def columns_of(shop: Shop, relation: str) -> dict[str, str]:
    rows = shop.rows(
        "select attname, format_type(atttypid, atttypmod) as type from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        relation,
    )
    return {row["attname"]: row["type"] for row in rows}


def test_the_described_columns_are_the_columns(shop: Shop, project: Project) -> None:
    for name in stored_or_read(project):
        described = project.models[name].columns
        if name == "stg_events_raw_parsed":
            continue  # those of events, as a test of staging shows
        assert list(columns_of(shop, name)) == list(described), name
        assert all(column["description"] for column in described.values()), name


def test_serving_keeps_its_contract(shop: Shop, project: Project) -> None:
    """Names, order and types; `text` and `varchar` are one type, as on RisingWave."""
    types = {"character varying": "varchar", "text": "varchar", "timestamp with time zone": "timestamptz"}
    for model in project.models.values():
        if model.layer in ("serving", "sources") and model.materialized != "sink":
            declared = {name: column["data_type"] for name, column in model.columns.items()}
            found = {
                name: re.sub(r"^[a-z ]+", lambda found: types.get(found[0], found[0]), kind)
                for name, kind in columns_of(shop, model.name).items()
            }
            assert found == declared, model.name


def test_every_list_has_the_same_columns_after_its_key(project: Project) -> None:
    lists = [m for m in project.models.values() if m.layer == "serving" and m.name not in FACTS]
    assert len(lists) == 6
    for model in lists:
        assert list(model.columns)[1:] == LIST_COLUMNS, model.name


def test_serving_is_exposed_and_explained(project: Project) -> None:
    serving = {m.name for m in project.models.values() if m.layer == "serving"}
    exposed = {
        key.split(".")[-1]
        for exposure in project.manifest["exposures"].values()
        for key in exposure["depends_on"]["nodes"]
    }
    assert exposed == serving
    readme = (ROOT / "sql/serving/README.md").read_text()
    assert [name for name in sorted(serving) if f"`{name}`" not in readme] == []


def test_every_macro_is_in_a_file_of_its_own_and_described(project: Project) -> None:
    for path in sorted((ROOT / "macros").glob("*.sql")):
        assert re.findall(r"{% macro (\w+)", path.read_text()) == [path.stem]
        macro = project.manifest["macros"][f"macro.millstream.{path.stem}"]
        assert macro["description"], path.name
        assert all(argument["description"] for argument in macro["arguments"]), path.name


def test_every_var_is_used(project: Project) -> None:
    text = "".join(p.read_text() for folder in ("sql", "macros") for p in (ROOT / folder).rglob("*.sql"))
    project_file = (ROOT / "dbt_project.yml").read_text().partition("\nvars:\n")[2]
    names = re.findall(r"^  (\w+):", project_file, re.MULTILINE)
    assert len(names) > 20
    unused = [name for name in names if f"var('{name}')" not in text and f'var("{name}")' not in text]
    assert unused == []
