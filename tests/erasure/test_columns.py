"""Where people are named is one list; a source that names them otherwise must not go unnoticed."""

from __future__ import annotations

import re
from typing import Any

import yaml

from loaders.schema import ids
from millstream.engine.erasure.columns import ID_COLUMNS, MESSAGE_COLUMNS
from millstream.engine.erasure.nobody import AROUND, WORDS
from tests.serving.project import ROOT

NAMES_PEOPLE = re.compile(
    r"user|person|visitor|anonym|customer|client|member|account|subscriber|e?mail|phone|household|payload|message|body|address"
)
NO_NAMES = {
    ("past_identities", "visitor_hash"),
    ("past_identities", "person_hash"),
}
"""Columns that sound like it and hold no id."""
WITH_THE_ROW = {("users", "attributes")}
"""Columns of any content, whose rows are found by another column."""


def columns(sources: str) -> list[tuple[str, str, str]]:
    """Source, column and type, as a YAML file of sources describes them."""
    models: list[dict[str, Any]] = yaml.safe_load(sources)["models"]
    return [(m["name"], c["name"], c["data_type"]) for m in models for c in m.get("columns", [])]


def unlisted(sources: str) -> set[tuple[str, str]]:
    """Columns that may name people and that forgetting does not know."""
    return {
        (source, name)
        for source, name, type_ in columns(sources)
        if name not in (*ID_COLUMNS, *MESSAGE_COLUMNS)
        and (NAMES_PEOPLE.search(name) or type_ in ("jsonb", "json"))
        and (source, name) not in NO_NAMES | WITH_THE_ROW
    }


def test_every_column_of_a_source_that_names_people_is_listed() -> None:
    text = (ROOT / "sql/sources/sources.yml").read_text()
    assert unlisted(text) == set()
    named = {name for _, name, _ in columns(text)}
    assert named >= {*ID_COLUMNS, *MESSAGE_COLUMNS}


def test_every_source_is_described_with_all_its_columns() -> None:
    described = {
        (source, name) for source, name, _ in columns((ROOT / "sql/sources/sources.yml").read_text())
    }
    for path in sorted((ROOT / "sql/sources").glob("*.sql")):
        for name, _ in re.findall(r"^    (\w+) (varchar|jsonb|integer|timestamptz)", path.read_text(), re.M):
            assert (path.stem, name) in described or name == "primary"


def test_a_new_source_with_people_in_it_is_noticed() -> None:
    for name, type_ in (("customer_id", "varchar"), ("mail", "varchar"), ("profile", "jsonb")):
        column = f"{{name: {name}, data_type: {type_}}}"
        assert unlisted(f"models:\n  - name: loyalty\n    columns:\n      - {column}\n") == {
            ("loyalty", name)
        }


def test_nobody_is_nobody_everywhere() -> None:
    given = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    assert set(WORDS) == {"", *given["missing_words"], *given["nobody_ids"]}
    assert set(WORDS) == {"", *ids.MISSING_WORDS, *ids.NOBODY_IDS}
    assert AROUND == ids.AROUND
    text = (ROOT / "src/millstream/engine/catalog/erasures.sql").read_text()
    [listed] = re.findall(r"chr\(13\)\)\) in \((.*?)\);", text, re.S)
    assert set(re.findall(r"'(.*?)'", listed)) == set(WORDS)
