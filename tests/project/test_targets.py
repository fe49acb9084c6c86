"""Both engines get the same SQL."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project.compiled import ROOT, Project, compile_project

DATABASE = re.compile(r'"\w+"\."public"\.')


def test_both_targets_compile_to_the_same_sql_without_a_server(project: Project, tmp_path: Path) -> None:
    embedded = compile_project("embedded", tmp_path)
    assert embedded.models.keys() == project.models.keys()
    for name, model in project.models.items():
        other = embedded.models[name]
        assert DATABASE.sub("", other.sql) == DATABASE.sub("", model.sql), name
        assert (other.materialized, other.indexes) == (model.materialized, model.indexes), name


def test_the_function_is_declared_as_it_is_served(project: Project) -> None:
    """The types that RisingWave compares when it creates the function."""
    from udf_server.declarations import read_functions

    arrow = {
        "varchar": "string",
        "double precision": "double",
        "varchar[]": "list<item: string>",
        "double precision[]": "list<item: double>",
        "integer": "int32",
        "struct<item_id varchar, score double precision, strategy varchar, reason_item_id varchar>[]": (
            "list<item: struct<item_id: string, score: double, strategy: string, reason_item_id: string>>"
        ),
        "struct<strategy varchar, reason_item_id varchar, weight double precision, factor double precision, "
        "item_ids varchar[], scores double precision[]>[]": (
            "list<item: struct<strategy: string, reason_item_id: string, weight: double, factor: double, "
            "item_ids: list<item: string>, scores: list<item: double>>>"
        ),
        "struct<item_id varchar, score double precision, strategy varchar, reason_item_id varchar, "
        "strategies varchar[], contributions double precision[]>[]": (
            "list<item: struct<item_id: string, score: double, strategy: string, reason_item_id: string, "
            "strategies: list<item: string>, contributions: list<item: double>>>"
        ),
    }
    declared = {
        node["config"]["remote_name"]: (
            [argument["name"] for argument in node["arguments"]],
            [arrow[argument["data_type"]] for argument in node["arguments"]],
            arrow[node["returns"]["data_type"]],
        )
        for node in project.manifest["functions"].values()
    }
    served = {
        function.name: (
            function.arguments.names,
            [str(field.type) for field in function.arguments],
            str(function.result),
        )
        for function in read_functions(ROOT)
    }
    assert served == declared
