"""The adapter: dbt-postgres with every deployment handed to `millstream.engine.deploy`."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbt.adapters.base import ConstraintSupport, available
from dbt.adapters.base.relation import BaseRelation
from dbt.adapters.postgres.impl import PostgresAdapter
from dbt_common.clients import agate_helper
from dbt_common.contracts.constraints import ConstraintType
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream import show
from dbt.adapters.millstream.config import MillstreamConfig
from dbt.adapters.millstream.connections import MillstreamConnectionManager
from dbt.adapters.millstream.deployer import Deployer, DeployResponse, log, response_of, told_in_project
from dbt.adapters.millstream.figures import figures_of, summary
from dbt.adapters.millstream.history import History
from dbt.adapters.millstream.indexes import ENDS, index_columns, statements
from dbt.adapters.millstream.relation import MillstreamRelation, MillstreamRelationType
from millstream.errors import MillstreamError, Refused, StillRead
from millstream.rollout.project.python_functions import functions_called, python_entry

if TYPE_CHECKING:
    import agate
    import psycopg

Node = Mapping[str, Any]

# The engine's refusal of a declaration that does not fit the rows that a source relation holds.
CANNOT_EXTEND = "MS035"

# The commands whose project says what columns and views are called (docs/howto/dbt-on-millstream.md).
DEPLOYS_VIEWS = ("run", "build", "retry")

# COPY's text format.
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class MillstreamAdapter(PostgresAdapter):
    """What dbt calls. Methods marked `available` are called by the macros in dbt/include/millstream."""

    Relation = MillstreamRelation
    ConnectionManager = MillstreamConnectionManager
    AdapterSpecificConfigs = MillstreamConfig
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
        return super().cancel_open_connections()

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

    @available.parse_list
    def python_functions_of(
        self, model: Node, nodes: Mapping[str, Node], functions: Mapping[str, Node]
    ) -> list[Node]:
        """The Python functions that a model calls, itself or through the ephemeral models in it."""
        return functions_called(model, nodes, functions)

    @available.parse_none
    def shown_instead(
        self, model: Node, sql: str, nodes: Mapping[str, Node], functions: Mapping[str, Node]
    ) -> str | None:
        """The query of `dbt show` for a model whose own text PostgreSQL cannot run; None where it can.

        Raises DbtRuntimeError, with the command that deploys it, where what would be shown is not deployed.
        """
        return show.instead(
            model, sql, nodes, functions, lambda schema, name: self.deployed(schema).get(name) is not None
        )

    @available.parse_list
    def index_statements(self, relation: BaseRelation, model: Node) -> list[str]:
        """What makes the indexes of a source relation, a table of PostgreSQL, be those of its model's configuration."""
        schema, name = self._name(relation)
        _, found = self.execute(
            f"select indexname from pg_indexes where schemaname = {literal(schema)} and tablename = {literal(name)}",
            fetch=True,
        )
        there = [str(row[0]) for row in found.rows]
        if not model["config"].get("indexes") and not any(each.endswith(ENDS) for each in there):
            return []
        shown = [column.name for column in self.get_columns_in_relation(relation)]
        return statements(model, schema, name, shown, there)

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

    @available.parse_none
    def make_way(self, relation: BaseRelation, full_refresh: bool, verb: str = "run") -> None:
        """Drop what stands under a relation's name if the engine cannot turn it into the relation's kind.

        A view becomes a materialized view and back without a drop. What else reads a relation of another kind is
        dropped with it only under --full-refresh; `verb` is the command of dbt that has met it.
        """
        existing = self.deployed_kind(relation)
        if existing is None:
            plain = self.get_relation(relation.database, relation.schema, relation.identifier)
            if plain is not None and plain.type != MillstreamRelationType.Function:
                self.drop_relation(plain)
            return
        views = {"view", "materialized_view"}
        if existing != relation.type and not {existing, str(relation.type)} <= views:
            schema, name = self._name(relation)
            try:
                self._drop_deployed(relation, cascade=full_refresh)
            except StillRead as error:
                raise DbtRuntimeError(
                    f"{schema}.{name} is a {existing} and becomes a {relation.type}, and {error.reason}\n"
                    f"  hint: `dbt {verb} --full-refresh --select {name}+` drops what reads it with it and builds "
                    "what the project has of it again"
                ) from error

    @available.parse_list
    def removed(self, schema: str, kept: Iterable[str]) -> list[dict[str, str]]:
        """What is deployed in a schema under names that are not in `kept`, as {schema, name, kind}, sorted by name."""
        names = set(kept)
        return [
            {"schema": schema, "name": name, "kind": kind}
            for name, kind in sorted(self.deployed(schema).items())
            if name not in names
        ]

    @available.parse_list
    def drop_removed(self, removed: Iterable[Mapping[str, str]]) -> list[str]:
        """Drop deployed relations, each {schema, name}, all or none; returns `schema.name` in the order of the drops.

        Raises DbtRuntimeError when something that stays reads one of them.
        """
        from millstream.engine.deploy import drop_all

        try:
            dropped = self._deploy(drop_all, [(each["schema"], each["name"]) for each in removed])
        except StillRead as error:
            raise DbtRuntimeError(
                f"{error.reason}, which stays\n  hint: let what reads it do without it and run that, or remove "
                "that from the project too; then `dbt run-operation drop_removed` again"
            ) from error
        return [f"{schema}.{name}" for schema, name in dropped]

    # -- writes -----------------------------------------------------------------------------------------------------

    @available.parse_none
    def copy_rows(self, relation: BaseRelation, rows: agate.Table) -> None:
        """Copy the rows of a seed into a (temporary) table, in dbt's transaction."""
        text = io.StringIO()
        for row in rows.rows:
            text.write(
                "\t".join(NULL if value is None else str(value).translate(ESCAPES) for value in row) + "\n"
            )
        text.seek(0)
        sql = f"copy {relation} from stdin"
        handle = self.connections.get_thread_connection().handle
        with self.connections.exception_handler(sql), handle.cursor() as cursor:
            cursor.copy_expert(sql, text)

    @available.parse_none
    def flush(self) -> None:
        """Wait until the views show everything committed so far."""
        self.connections.call_flush(self.config.credentials.flush_timeout)

    @available.parse_none
    def end_transaction(self) -> None:
        """Commit if dbt has a transaction open in this thread."""
        self.connections.end_transaction()

    # -- dbt's own verbs --------------------------------------------------------------------------------------------

    @available.parse(lambda *_: None)
    def catalog_with_kinds(self, catalog: agate.Table, labels: Mapping[str, str]) -> agate.Table:
        """A catalogue whose `table_type` is the label of the kind that the engine knows, where it knows one."""
        names = list(catalog.column_names)
        schema, name, kind = (names.index(column) for column in ("table_schema", "table_name", "table_type"))
        known = {at: self.deployed(at) for at in {row[schema] for row in catalog.rows}}
        rows = [list(row) for row in catalog.rows]
        for row in rows:
            row[kind] = labels.get(known[row[schema]].get(row[name], ""), row[kind])
        return agate_helper.table_from_rows(rows, names)

    @available.parse_none
    def drop_relation(self, relation: BaseRelation) -> None:
        if self.deployed_kind(relation) is None:
            super().drop_relation(relation)
        else:
            self._drop_deployed(relation, cascade=True)

    @available.parse_none
    def rename_relation(self, from_relation: BaseRelation, to_relation: BaseRelation) -> None:
        if (kind := self.deployed_kind(from_relation)) is not None:
            raise DbtRuntimeError(
                f"{from_relation} is a deployed {kind} and cannot be renamed: deploy it under its new name and drop "
                "the old one with `dbt run-operation drop_removed`"
            )
        super().rename_relation(from_relation, to_relation)

    def drop_schema(self, relation: BaseRelation) -> None:
        schema = str(relation.schema)
        while remaining := self.deployed(schema):
            name = next(iter(remaining))
            self._drop_deployed(relation.incorporate(path={"identifier": name}), cascade=True)
        super().drop_schema(relation)

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

    def _respond(self, deployed_as: tuple[str, str], function: Any, *arguments: Any, **options: Any) -> Any:
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


def settings_given(config: Any) -> Mapping[str, Any] | None:
    """The project's vars, by which the engine's settings are given; None where the command deploys no views."""
    if getattr(getattr(config, "args", None), "which", None) not in DEPLOYS_VIEWS:
        return None
    given = config.vars.to_dict()
    return {**given, **given.get(config.project_name, {}), **config.cli_vars}


def literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


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
