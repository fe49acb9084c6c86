"""The adapter: dbt-risingwave with every deployment handed to `millstream.rollout.risingwave`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbt.adapters.base import available
from dbt.adapters.base.impl import AdapterTrackingRelationInfo
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.events.logging import AdapterLogger
from dbt.adapters.risingwave.impl import RisingWaveAdapter

from dbt.adapters.millstream.deployer import RefusedError
from dbt.adapters.millstream.place import place_in_project
from dbt.adapters.millstream_risingwave.__version__ import version
from dbt.adapters.millstream_risingwave.connections import MillstreamRisingWaveConnectionManager
from dbt.adapters.millstream_risingwave.statements import DbtStatements
from millstream.errors import Refused
from millstream.rollout.project.definition import Definition, of_function, of_model
from millstream.rollout.project.python_functions import functions_called
from millstream.rollout.risingwave.attached import attach, with_statement
from millstream.rollout.risingwave.compare import reason_to_build
from millstream.rollout.risingwave.drop import drop_unread, keys_of, removed, replaced_builds
from millstream.rollout.risingwave.function import declare_function
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.statements import StatementFailed
from millstream.rollout.risingwave.table import deploy_table
from millstream.rollout.risingwave.view import deploy_view

tell = AdapterLogger("Millstream").info

Node = Mapping[str, Any]
Graph = Mapping[str, Mapping[str, Node]]


class MillstreamRisingWaveAdapter(RisingWaveAdapter):
    """What dbt calls. Methods marked `available` are called by the macros in dbt/include/millstream_risingwave.

    `graph` is dbt's, and `model` the node at hand with its compiled SQL.
    """

    ConnectionManager = MillstreamRisingWaveConnectionManager

    def __init__(self, config: Any, mp_context: Any) -> None:
        super().__init__(config, mp_context)
        credentials = config.credentials
        self.there = Inventory(DbtStatements(self.connections), credentials.database, credentials.schema)

    @classmethod
    def get_adapter_run_info(cls, config: Any) -> AdapterTrackingRelationInfo:  # noqa: ARG003  (dbt passes it)
        """Name and version for dbt's records of a run, which dbt would guess from the name of the class."""
        base = importlib.import_module("dbt.adapters.__about__").version
        return AdapterTrackingRelationInfo(cls.type(), base, version, {})  # type: ignore[abstract]

    # -- deployment -------------------------------------------------------------------------------------------------

    @available.parse(lambda *_, **__: "")
    def reason_to_build(self, model: Node, graph: Graph, full_refresh: bool = False) -> str:
        """Why a view must be built, empty if it must not."""
        return reason_to_build(self._definition(model, graph), self.there, full_refresh=full_refresh)

    @available.parse_none
    def deploy_view(self, model: Node, graph: Graph, full_refresh: bool = False) -> AdapterResponse:
        """Deploy a view or a materialized view, with the Python functions that it calls and its change feed."""
        self.declare_functions(model, graph)
        with self._told_in_project(model, graph):
            wanted = self._definition(model, graph)
            return response(deploy_view(self.there, wanted, full_refresh=full_refresh))

    @available.parse_none
    def deploy_table(self, model: Node, graph: Graph, full_refresh: bool = False) -> AdapterResponse:
        """Deploy a table or source, whose rows come from outside."""
        with self._told_in_project(model, graph):
            wanted = self._definition(model, graph)
            return response(deploy_table(self.there, wanted, full_refresh=full_refresh))

    @available.parse_none
    def deploy_attached(self, model: Node, graph: Graph, full_refresh: bool = False) -> AdapterResponse:
        """Deploy a sink or subscription."""
        with self._told_in_project(model, graph):
            wanted = with_statement(self.there, self._definition(model, graph))
            return response(attach(self.there, wanted, full_refresh=full_refresh))

    @available.parse_none
    def declare_functions(self, model: Node, graph: Graph) -> None:
        """Declare the Python functions that a model calls; `dbt run` leaves functions out."""
        for node in functions_called(model, graph["nodes"], graph.get("functions") or {}):
            if self.deploy_function(node).code != "UNCHANGED":
                tell("created function " + node["name"])

    @available.parse_none
    def deploy_function(self, model: Node) -> AdapterResponse:
        """Declare a Python function."""
        with self._told_in_project(model, {"nodes": {}}):
            return response(declare_function(self.there, of_function(model)))

    # -- drops ------------------------------------------------------------------------------------------------------

    @available.parse_none
    def drop_replaced(self, keep_previous: bool) -> None:
        """Drop the builds that were replaced and that nothing reads; some stay with `keep_previous`, for going back."""
        drops = drop_unread(self.there, replaced_builds(self.there, keep_previous=keep_previous))
        if drops.dropped:
            tell("dropped replaced versions: " + ", ".join(drops.dropped))
        tell_kept(drops.kept)

    @available.parse_list
    def removed(self, graph: Graph, tables: bool) -> list[str]:
        """What was deployed and left the project, as `kind schema.name`."""
        keys = removed(self.there, self._keys(graph), tables=tables)
        return [f"{self.there.objects[key].kind} {key}" for key in keys]

    @available.parse_list
    def drop_removed(self, graph: Graph, tables: bool) -> list[str]:
        """Drop what was deployed and left the project. Returns `schema.name` in the order of the drops."""
        drops = drop_unread(self.there, removed(self.there, self._keys(graph), tables=tables))
        tell_kept(drops.kept)
        return list(drops.dropped)

    # -- inside -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _definition(model: Node, graph: Graph) -> Definition:
        return of_model(model, graph["nodes"], graph.get("functions") or {})

    def _keys(self, graph: Graph) -> set[str]:
        kept = ("model", "seed", "snapshot")
        nodes = [node for node in graph["nodes"].values() if node["resource_type"] in kept]
        return keys_of(self._definition(node, graph) for node in nodes)

    @contextmanager
    def _told_in_project(self, model: Node, graph: Graph) -> Iterator[None]:
        """Tell what goes wrong inside with the author's file, and the line in it where the server names one."""
        try:
            yield
        except Refused as refused:
            path, line, column = model["original_file_path"], None, None
            if isinstance(refused, StatementFailed) and (at := line_in_model(refused, model)) is not None:
                place = place_in_project(model, graph["nodes"], at, None, Path(self.config.project_root))
                path, line, column = place.path, place.line, place.column
            found = replace(refused.diagnostic, path=path, line=line, column=column)
            raise RefusedError(str(found)) from refused


def line_in_model(failed: StatementFailed, model: Node) -> int | None:
    """The line of a model's compiled SQL that a failed statement stumbled over, if the server says one."""
    compiled = model.get("compiled_code") or ""
    start = failed.statement.find(compiled) if compiled else -1
    if failed.line is None or start < 0:
        return None
    line = failed.line - failed.statement.count("\n", 0, start)
    return line if line > 0 else None


def response(done: str) -> AdapterResponse:
    """What dbt says of a node: what was done, and after a colon why."""
    return AdapterResponse(_message=done, code=done.partition(":")[0].upper())


def tell_kept(keys: tuple[str, ...]) -> None:
    """Say what was not dropped."""
    for key in keys:
        tell(f"kept {key}: something still reads it; deploy its readers too")
