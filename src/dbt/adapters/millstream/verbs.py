"""The verbs of deployment: each is one call of `millstream.engine.deploy`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbt.adapters.base import ConstraintSupport, available
from dbt.adapters.base.relation import BaseRelation
from dbt.adapters.postgres.impl import PostgresAdapter
from dbt_common.contracts.constraints import ConstraintType
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream.config import MillstreamConfig
from dbt.adapters.millstream.connections import MillstreamConnectionManager
from dbt.adapters.millstream.deployer import Deployer, DeployResponse, log, response_of, told_in_project
from dbt.adapters.millstream.figures import figures_of, summary
from dbt.adapters.millstream.history import History
from dbt.adapters.millstream.indexes import index_columns
from dbt.adapters.millstream.relation import MillstreamRelation
from millstream.errors import MillstreamError, Refused
from millstream.rollout.project.dbt import vars_of
from millstream.rollout.project.python_functions import python_entry

if TYPE_CHECKING:
    import psycopg

Node = Mapping[str, Any]

# The engine's refusal of a declaration that does not fit the rows that a source relation holds.
CANNOT_EXTEND = "MS035"


# The commands whose project says what columns and views are called (docs/howto/dbt-on-millstream.md).
DEPLOYS_VIEWS = ("run", "build", "retry")


class EngineAdapter(PostgresAdapter):
    """dbt-postgres with a deployer of the engine. Methods marked `available` are called by macros."""

    Relation = MillstreamRelation  # type: ignore[assignment]
    ConnectionManager = MillstreamConnectionManager
    AdapterSpecificConfigs = MillstreamConfig  # type: ignore[assignment]
    connections: MillstreamConnectionManager

    # A contract's names and types are checked before a deployment. Constraints are not: rows come from the stream, and
    # a primary key is declared in CREATE TABLE; dbt warns about each one unless it says `warn_unsupported: false`.
    CONSTRAINT_SUPPORT = dict.fromkeys(ConstraintType, ConstraintSupport.NOT_SUPPORTED)

    def __init__(self, config: Any, mp_context: Any) -> None:
        super().__init__(config, mp_context)
        self.deployer = Deployer(config.credentials, settings_given(config))
        self.responses: list[DeployResponse] = []
        self.history = History(getattr(getattr(config, "args", None), "which", "run"))

    @classmethod
    def type(cls) -> str:
        return "millstream"

    def cancel_open_connections(self) -> Iterable[str]:
        """End what runs in the server when the run is ended: its deployment, then dbt's own statements."""
        self.deployer.cancel()
        names: Iterable[str] = super().cancel_open_connections()  # type: ignore[no-untyped-call]
        return names

    def cleanup_connections(self) -> None:
        super().cleanup_connections()
        self.deployer.close()
        if self.responses:
            log.info(summary(self.responses))
            self.responses = []

    # -- deployment -------------------------------------------------------------------------------------------------

    @available.parse_none
    def set_up(self) -> None:
        """Make the engine's catalogue in a database that has none: connecting for a deployment does."""
        self._deploy(lambda _: None)

    @available.parse_none
    def deploy_view(
        self,
        relation: BaseRelation,
        sql: str,
        model: Node,
        nodes: Mapping[str, Node],
        materialized: bool = True,
        force: bool = False,
        selected: Sequence[str] = (),
    ) -> DeployResponse:
        """Deploy a view or a materialized view; an unchanged one is left alone unless `force` asks.

        Readers that this run has `selected` too (unique ids) are left to their own turn, so that each is built once.
        """
        from millstream.engine import deploy

        with told_in_project(model, nodes, self.project_root):
            schema, name = self._name(relation)
            return self._respond(
                (schema, name),
                deploy.deploy_view,
                name,
                sql,
                schema=schema,
                path=model["original_file_path"],
                materialized=materialized,
                indexes=index_columns(model) if materialized else (),
                force=force,
                tell=log.info,
                portable=bool(model["config"].get("portable", True)),
                read_by=tuple(model["config"].get("meta", {}).get("read_by") or ()),
                later={
                    (node["schema"], node.get("alias") or node["name"])
                    for node in (nodes[id_] for id_ in selected if id_ in nodes)
                    if node["resource_type"] == "model"
                },
            )

    @available.parse_none
    def deploy_table(
        self,
        relation: BaseRelation,
        ddl: str,
        model: Node,
        nodes: Mapping[str, Node],
        may_drop: bool = False,
    ) -> DeployResponse:
        """Deploy a source relation from RisingWave's CREATE TABLE text.

        A changed declaration that cannot be applied to the rows at hand is refused; with `may_drop` the relation is
        dropped with everything that reads it, and made anew.
        """
        from millstream.engine import deploy

        schema, name = self._name(relation)
        arguments: dict[str, Any] = {
            "schema": schema,
            "path": model["original_file_path"],
            "private": bool(model["config"].get("meta", {}).get("private")),
            "tell": log.info,
        }
        with told_in_project(model, nodes, self.project_root):
            try:
                return self._respond((schema, name), deploy.deploy_table, name, ddl, **arguments)
            except Refused as refused:
                if not may_drop or refused.diagnostic.code != CANNOT_EXTEND:
                    raise
            before = self.deployed_everywhere()
            self._drop_deployed(relation, cascade=True)
            gone = before - self.deployed_everywhere() - {f"{schema}.{name}"}
            response = self._respond((schema, name), deploy.deploy_table, name, ddl, **arguments)
            return response.after_dropping(sorted(gone))

    @available.parse_none
    def deploy_sink(
        self, relation: BaseRelation, ddl: str, model: Node, nodes: Mapping[str, Node]
    ) -> DeployResponse:
        """Deploy a sink into a source relation from RisingWave's CREATE SINK text."""
        from millstream.engine import deploy

        with told_in_project(model, nodes, self.project_root):
            schema, name = self._name(relation)
            path = model["original_file_path"]
            return self._respond((schema, name), deploy.deploy_sink, name, ddl, schema=schema, path=path)

    @available.parse_none
    def deploy_python_function(self, relation: BaseRelation, model: Node) -> DeployResponse:
        """Deploy a Python function; its file is found as `python_functions.python_entry` says."""
        from millstream.engine import deploy

        try:
            module, entry = python_entry(model, self.project_root)
        except MillstreamError as error:
            raise DbtRuntimeError(str(error)) from error
        schema, name = self._name(relation)
        with told_in_project(model, {}, self.project_root):
            return response_of(
                self._deploy(
                    deploy.deploy_function,
                    name,
                    [(argument["name"], argument["data_type"]) for argument in model["arguments"]],
                    model["returns"]["data_type"],
                    schema=schema,
                    module=str(module),
                    entry=entry,
                )
            )

    @available.parse_none
    def deploy_sql_function(self, relation: BaseRelation, model: Node, ddl: str) -> DeployResponse:
        """Deploy CREATE FUNCTION … LANGUAGE sql; the models that call it are rebuilt when its body changes."""
        from millstream.engine.deploy import deploy_sql_function

        schema, _ = self._name(relation)
        path = model["original_file_path"]
        with told_in_project(model, {}, self.project_root):
            return response_of(
                self._deploy(deploy_sql_function, ddl, schema=schema, path=path, tell=log.info)
            )

    # -- what is deployed -------------------------------------------------------------------------------------------

    def deployed(self, schema: str) -> dict[str, str]:
        """Name → kind (table, materialized_view, view, sink, function) of what the engine has deployed in a schema."""
        from millstream.engine import deploy

        return dict(self.deployer.call(deploy.list_relations, schema))

    @available.parse_none
    def deployed_kind(self, relation: BaseRelation) -> str | None:
        """The kind under which the engine has deployed a relation, or None if it is not the engine's."""
        schema, name = self._name(relation)
        return self.deployed(schema).get(name)

    def deployed_everywhere(self) -> set[str]:
        """`schema.name` of everything that the engine has deployed."""
        return {
            f"{schema}.{name}"
            for schema in self.list_schemas(self.config.credentials.database)
            for name in self.deployed(schema)
        }

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def project_root(self) -> Path:
        return Path(self.config.project_root)

    def _deploy(self, function: Any, *arguments: Any, **options: Any) -> Any:
        # The engine has a connection of its own: hooks must be committed, and their locks gone, before it starts.
        self.connections.end_transaction()

        def recorded(conn: psycopg.Connection[Any]) -> Any:
            self.history.look(conn)
            outcome = function(conn, *arguments, **options)
            if outcome and getattr(outcome, "action", "") != "unchanged":
                self.history.changed(conn)
            return outcome

        return self.deployer.call(recorded)

    def _respond(
        self, deployed_as: tuple[str, str], function: Any, *arguments: Any, **options: Any
    ) -> DeployResponse:
        """Deploy a relation, given by schema and name; the status line with its figures, which the line at the end of the run counts too."""
        began = time.monotonic()
        deployed = self._deploy(function, *arguments, **options)
        seconds = round(time.monotonic() - began, 2)
        found = self.deployer.call(figures_of, *deployed_as)
        response = replace(response_of(deployed), seconds=seconds, **found)
        self.responses.append(response)
        return response

    def _drop_deployed(self, relation: BaseRelation, *, cascade: bool) -> None:
        schema, name = self._name(relation)
        self._deploy(_drop_if_deployed, name, schema=schema, cascade=cascade)
        self.cache_dropped(relation)

    @staticmethod
    def _name(relation: BaseRelation) -> tuple[str, str]:
        """Schema and name as PostgreSQL spells them: an unquoted part is in lower case there."""
        quoted = relation.quote_policy
        schema, name = str(relation.schema), str(relation.identifier)
        return schema if quoted.schema else schema.lower(), name if quoted.identifier else name.lower()


def _drop_if_deployed(conn: psycopg.Connection[Any], name: str, *, schema: str, cascade: bool) -> bool:
    """Drop, or only finish a drop that a deadlock with the worker has cut off, so that the call can be repeated.

    Tells whether there was something to drop.
    """
    from millstream.engine import deploy

    found = name in dict(deploy.list_relations(conn, schema))
    if found:
        deploy.drop(conn, name, schema=schema, cascade=cascade)
    else:
        deploy.drop_unused(conn)
    return found


def settings_given(config: Any) -> Mapping[str, Any] | None:
    """The project's vars, by which the engine's settings are given; None where the command deploys no views."""
    if getattr(getattr(config, "args", None), "which", None) not in DEPLOYS_VIEWS:
        return None
    return vars_of(config)
