"""A strategy is a row of the list in dbt_project.yml and a file beside the others; what is forgotten is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import sqlglot

from tests.project.compiled import ROOT, Project, dbt, strategies
from tests.project.copies import add_strategy, copy_project

CONTRACT = ["user_id", "variant", "acted_at", "reason_item_id", "factor", "item_ids", "scores"]
ROW = '{name: same_brand, weight: 0.5, enabled: true, words: "More of {item}"}'


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


def parse(project: Path, target: str = "embedded") -> str:
    done = dbt(["parse", "--target", target], project / "target", project=project)
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.parametrize("row", strategies(), ids=lambda row: row["name"])
def test_a_strategy_says_what_it_finds_in_the_columns_of_all(project: Project, row: dict[str, Any]) -> None:
    model = project.models[f"cand_{row['name']}"]
    assert model.path.read_text().startswith("-- ")
    assert sqlglot.parse_one(model.sql, dialect="postgres").named_selects == CONTRACT


def test_the_union_the_default_weights_and_the_words_are_those_of_the_list(project: Project) -> None:
    union = project.models["cand_all"].sql
    reasons = project.models["serve_recommendations"].sql
    for row in strategies():
        assert f"'{row['name']}' as strategy" in union
        assert f"cast({row['weight']} as double precision) as weight" in union
        assert f"'{row['words']}'" in reasons
    assert union.count("union all") == len(strategies())


def test_a_strategy_that_is_off_is_in_no_list_and_keeps_its_words(copied: Path) -> None:
    add_strategy(copied, ROW.replace("true", "false"))
    (copied / "sql/candidates/cand_same_brand.sql").write_text("-- Nothing yet.\nselect 1 as user_id\n")
    arguments = ["compile", "--target", "risingwave", "--no-introspect", "--no-populate-cache"]
    done = dbt(arguments, copied / "target", project=copied)
    assert done.returncode == 0, done.stdout
    compiled = copied / "target/compiled/millstream/sql"
    assert "same_brand" not in (compiled / "ranking/rank_user_list.sql").read_text()
    assert "More of {item}" in (compiled / "serving/serve_recommendations.sql").read_text()


@pytest.mark.parametrize("target", ["embedded", "risingwave"])
def test_a_row_without_a_file_is_refused(copied: Path, target: str) -> None:
    add_strategy(copied, ROW)
    said = parse(copied, target)
    assert "sql/candidates/cand_all.sql" in said
    assert "'cand_same_brand' which was not found" in said
    assert "var `strategies`" in (copied / "sql/candidates/cand_all.sql").read_text(), (
        "where the remedy stands"
    )


def test_a_row_without_a_weight_is_refused_by_dbt(copied: Path) -> None:
    add_strategy(copied, ROW.replace("weight: 0.5, ", ""))
    assert "dbt_project.yml, var strategies, row same_brand: weight is missing" in parse(copied)


def check(row: object) -> None:
    """Look at a row as dbt does, after the row `trending`."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    environment = jinja2.Environment(
        extensions=["jinja2.ext.do"], loader=jinja2.FileSystemLoader(ROOT / "macros"), autoescape=True
    )
    names = {"exceptions": {"raise_compiler_error": refuse}, "modules": {"re": re}}
    module: Any = environment.get_template("check_strategy.sql", globals=names).module
    module.check_strategy(row, ["trending"])


WHOLE = {"name": "same_brand", "weight": 0.5, "words": "More of {item}", "enabled": True}


def test_a_whole_row_is_content() -> None:
    check(WHOLE)
    check(WHOLE | {"weight": 0, "enabled": False})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"weight": None}, "row same_brand: weight is missing or no number; add what"),
        ({"weight": "much"}, "row same_brand: weight is missing or no number; add what"),
        ({"words": None}, "row same_brand: words are missing; add what"),
        ({"words": " "}, "row same_brand: words are missing; add what"),
        ({"enabled": None}, "row same_brand: enabled is missing; add"),
        ({"enabled": "yes"}, "row same_brand: enabled is missing; add"),
        ({"name": None}, "name must be that of a file"),
        ({"name": "Same brand"}, "row Same brand: name must be that of a file"),
        ({"name": "trending"}, "row trending: the name is there twice"),
        ({"name": "recent"}, "row recent: the name has a meaning"),
        ({"weight": float("nan")}, "row same_brand: weight is missing or no number; add what"),
        ({"weight": float("inf")}, "row same_brand: weight is missing or no number; add what"),
        ({"words": "More of {itm}"}, "row same_brand: words have another name in braces than {item}"),
        ({"weigth": 2}, "row same_brand: a row has name, weight, words and enabled, and no weigth"),
    ],
)
def test_a_row_that_lacks_something_is_refused(change: dict[str, Any], complaint: str) -> None:
    row = {key: value for key, value in (WHOLE | change).items() if value is not None}
    with pytest.raises(ValueError, match=re.escape(complaint)) as refused:
        check(row)
    assert str(refused.value).startswith("dbt_project.yml, var strategies, row ")


def test_a_bare_word_is_no_row() -> None:
    with pytest.raises(ValueError, match="row same_brand: it is no row; write"):
        check("same_brand")
