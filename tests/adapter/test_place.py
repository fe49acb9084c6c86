"""Places in compiled SQL, told in the files that people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dbt.adapters.millstream.place import Place, place_in_project

CONFIG = "{{ config(\n    materialized='materialized_view',\n    indexes=[],\n) }}\n"


def node(path: str, raw: str, compiled: str = "", inlined: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    return {
        "original_file_path": path,
        "raw_code": raw.strip(),
        "compiled_code": compiled,
        "extra_ctes": list(inlined),
    }


def place(
    model: dict[str, Any], line: int | None, column: int | None, root: Path, **nodes: dict[str, Any]
) -> Place:
    return place_in_project(model, nodes, line, column, root)


def test_lines_that_a_config_block_took_away_are_counted(tmp_path: Path) -> None:
    model = node(
        "a.sql", CONFIG + "select\n    now()\nfrom {{ ref('t') }}", '\nselect\n    now()\nfrom "d"."s"."t"'
    )
    assert place(model, 3, 5, tmp_path) == Place("a.sql", 6, 5)


def test_blank_lines_at_the_start_of_the_file_count(tmp_path: Path) -> None:
    raw = "\n\n\nselect now()\n"
    (tmp_path / "a.sql").write_text(raw)
    assert place(node("a.sql", raw, "select now()"), 1, 8, tmp_path) == Place("a.sql", 4, 8)


def test_a_column_before_jinja_text_is_kept(tmp_path: Path) -> None:
    model = node("a.sql", "select lag(x) from {{ ref('t') }}", 'select lag(x) from "d"."s"."t"')
    assert place(model, 1, 8, tmp_path) == Place("a.sql", 1, 8)


def test_a_column_behind_jinja_text_is_found_from_the_end(tmp_path: Path) -> None:
    model = node(
        "a.sql", "select * from {{ ref('t') }} where lag(x)", 'select * from "d"."s"."t" where lag(x)'
    )
    assert place(model, 1, 33, tmp_path) == Place("a.sql", 1, 36)


def test_a_column_inside_jinja_text_is_left_out(tmp_path: Path) -> None:
    model = node("a.sql", "select {{ macro() }} as x", "select now() - ts as x")
    assert place(model, 1, 10, tmp_path) == Place("a.sql", 1, None)


def test_lines_that_a_loop_wrote_are_at_the_loop(tmp_path: Path) -> None:
    raw = "select\n{% for n in [1, 2, 3] %}\n    {{ n }} as c{{ n }},\n{% endfor %}\n    4 as d\nfrom t"
    compiled = "select\n\n    1 as c1,\n\n    2 as c2,\n\n    3 as c3,\n\n    4 as d\nfrom t"
    model = node("a.sql", raw, compiled)
    assert place(model, 9, 5, tmp_path) == Place("a.sql", 5, 5)
    found = place(model, 7, 5, tmp_path).line
    assert found is not None
    assert 2 <= found <= 4


def test_a_place_in_an_inlined_model_is_in_its_file(tmp_path: Path) -> None:
    inner = node("inner.sql", "{{ config(materialized='ephemeral') }}\nselect\n    now() as at\nfrom t")
    cte = {"id": "model.p.inner", "sql": " __dbt__cte__inner as (\n\nselect\n    now() as at\nfrom t\n)"}
    compiled = f"with {cte['sql']}select at\nfrom __dbt__cte__inner"
    model = node("outer.sql", "select at\nfrom {{ ref('inner') }}", compiled, (cte,))
    assert place(model, 4, 5, tmp_path, **{"model.p.inner": inner}) == Place("inner.sql", 3, 5)


def test_without_a_line_the_file_alone_is_named(tmp_path: Path) -> None:
    assert place(node("a.sql", "select 1", "select 1"), None, None, tmp_path) == Place("a.sql", None, None)
