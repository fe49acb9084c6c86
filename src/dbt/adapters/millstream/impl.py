"""The adapter: dbt-postgres with every deployment handed to `millstream.runtime.deploy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dbt.adapters.base import ConstraintSupport, available
from dbt.adapters.base.relation import BaseRelation
from dbt.adapters.postgres.impl import PostgresAdapter
from dbt_common.contracts.constraints import ConstraintType
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream.config import MillstreamConfig
from dbt.adapters.millstream.connections import MillstreamConnectionManager
from dbt.adapters.millstream.deployer import Deployer, DeployResponse, refusal_in_project, response_of
from dbt.adapters.millstream.functions import python_entry
from dbt.adapters.millstream.relation import MillstreamRelation
from millstream.errors import Refused

Node = Mapping[str, Any]


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
        self.deployer = Deployer(config.credentials)

    @classmethod
    def type(cls) -> str:
        return "millstream"

    def cleanup_connections(self) -> None:
        super().cleanup_connections()
        self.deployer.close()

    # -- deployment -------------------------------------------------------------------------------------------------

    @available.parse_none
    def deploy_view(
        self,
        relation: BaseRelation,
        sql: str,
        model: Node,
        nodes: Mapping[str, Node],
        materialized: bool = True,
    ) -> DeployResponse:
        """Deploy a view or a materialized view; an unchanged one is left alone."""
        from millstream.runtime import deploy

        with self._told_in(model, nodes):
            return response_of(
                self._deploy(
                    deploy.deploy_view,
                    relation.identifier,
                    sql,
                    schema=relation.schema,
                    path=model["original_file_path"],
                    materialized=materialized,
                    indexes=tuple(model["config"].get("indexes") or ()),
                )
            )

    @available.parse_none
    def deploy_table(
        self, relation: BaseRelation, ddl: str, model: Node, nodes: Mapping[str, Node]
    ) -> DeployResponse:
        """Deploy a source relation from RisingWave's CREATE TABLE text."""
        from millstream.runtime import deploy

        with self._told_in(model, nodes):
            return response_of(
                self._deploy(
                    deploy.deploy_table,
                    relation.identifier,
                    ddl,
                    schema=relation.schema,
                    path=model["original_file_path"],
                )
            )

    @available.parse_none
    def deploy_sink(
        self, relation: BaseRelation, ddl: str, model: Node, nodes: Mapping[str, Node]
    ) -> DeployResponse:
        """Deploy a sink into a source relation from RisingWave's CREATE SINK text."""
        from millstream.runtime import deploy

        with self._told_in(model, nodes):
            return response_of(
                self._deploy(
                    deploy.deploy_sink,
                    relation.identifier,
                    ddl,
                    schema=relation.schema,
                    path=model["original_file_path"],
                )
            )

    @available.parse_none
    def deploy_python_function(self, relation: BaseRelation, model: Node) -> DeployResponse:
        """Deploy a Python function; its file is found as `functions.python_entry` says."""
        from millstream.runtime import deploy

        module, entry = python_entry(model, self.project_root)
        return response_of(
            self._deploy(
                deploy.deploy_function,
                relation.identifier,
                [(argument["name"], argument["data_type"]) for argument in model["arguments"]],
                model["returns"]["data_type"],
                schema=relation.schema,
                module=str(module),
                entry=entry,
            )
        )

    # -- what is deployed -------------------------------------------------------------------------------------------

    def deployed(self, schema: str) -> dict[str, str]:
        """Name → kind (table, materialized_view, view, sink, function) of what the engine has deployed in a schema."""
        from millstream.runtime import deploy

        return dict(self.deployer.call(deploy.list_relations, schema))

    @available.parse_none
    def deployed_kind(self, relation: BaseRelation) -> str | None:
        """The kind under which the engine has deployed a relation, or None if it is not the engine's."""
        return self.deployed(str(relation.schema)).get(str(relation.identifier))

    @available.parse_none
    def make_way(self, relation: BaseRelation, full_refresh: bool) -> None:
        """Drop what stands under a relation's name if the engine cannot turn it into the relation's kind.

        A view becomes a materialized view and back without a drop. What else reads a relation of another kind is
        dropped with it only under --full-refresh.
        """
        existing = self.deployed_kind(relation)
        if existing is None:
            plain = self.get_relation(relation.database, relation.schema, relation.identifier)
            if plain is not None:
                self.drop_relation(plain)
            return
        views = {"view", "materialized_view"}
        if existing != relation.type and not {existing, str(relation.type)} <= views:
            self._drop_deployed(relation, cascade=full_refresh)

    @available.parse_list
    def removed(self, schema: str, kept: Iterable[str]) -> list[dict[str, str]]:
        """What is deployed in a schema under names that are not in `kept`, as {name, kind}, sorted by name."""
        names = set(kept)
        return [
            {"name": name, "kind": kind}
            for name, kind in sorted(self.deployed(schema).items())
            if name not in names
        ]

    @available.parse_list
    def drop_removed(self, schema: str, names: Iterable[str]) -> list[str]:
        """Drop deployed relations, readers first; returns the names in the order in which they were dropped.

        Raises DbtRuntimeError when something that stays still reads one of them.
        """
        left, dropped = sorted(names), []
        while left:
            failure: DbtRuntimeError | None = None
            progress = False
            for name in tuple(left):
                relation = self.Relation.create(
                    database=self.config.credentials.database, schema=schema, identifier=name
                )
                try:
                    self._drop_deployed(relation, cascade=False)
                except DbtRuntimeError as error:
                    failure = error
                    continue
                left.remove(name)
                dropped.append(name)
                progress = True
            if failure is not None and not progress:
                raise failure
        return dropped

    # -- writes -----------------------------------------------------------------------------------------------------

    @available.parse_none
    def flush(self) -> None:
        """Wait until the views show everything committed so far."""
        self.connections.call_flush(self.config.credentials.flush_timeout)

    @available.parse_none
    def end_transaction(self) -> None:
        """Commit if dbt has a transaction open in this thread."""
        self.connections.end_transaction()

    # -- dbt's own verbs --------------------------------------------------------------------------------------------

    def list_relations_without_caching(self, schema_relation: BaseRelation) -> list[BaseRelation]:
        kinds = self.deployed(str(schema_relation.schema))
        relations = [
            relation.incorporate(type=kinds[relation.identifier])
            if relation.identifier in kinds
            else relation
            for relation in super().list_relations_without_caching(schema_relation)
        ]
        return relations

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
        return self.deployer.call(function, *arguments, **options)

    def _drop_deployed(self, relation: BaseRelation, *, cascade: bool) -> None:
        from millstream.runtime import deploy

        self._deploy(deploy.drop, relation.identifier, schema=relation.schema, cascade=cascade)
        self.cache_dropped(relation)

    def _told_in(self, model: Node, nodes: Mapping[str, Node]) -> _RefusalsToldIn:
        return _RefusalsToldIn(model, nodes, self.project_root)


class _RefusalsToldIn:
    """Turns a refusal inside a `with` block into dbt's error with the place in the model's file."""

    def __init__(self, model: Node, nodes: Mapping[str, Node], project_root: Path) -> None:
        self.model = model
        self.nodes = nodes
        self.project_root = project_root

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Refused):
            raise refusal_in_project(error, self.model, self.nodes, self.project_root) from error
