"""The adapter: dbt-postgres with every deployment handed to `millstream.engine.deploy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dbt.adapters.base import available
from dbt.adapters.base.relation import BaseRelation
from dbt_common.clients import agate_helper
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream import show
from dbt.adapters.millstream.indexes import ENDS, statements
from dbt.adapters.millstream.relation import MillstreamRelationType
from dbt.adapters.millstream.rows import text_of
from dbt.adapters.millstream.verbs import EngineAdapter
from millstream.compiler.algebra.quoting import string
from millstream.errors import StillRead
from millstream.rollout.project.python_functions import functions_called

if TYPE_CHECKING:
    import agate

Node = Mapping[str, Any]


class MillstreamAdapter(EngineAdapter):
    """What dbt calls. Methods marked `available` are called by the macros in dbt/include/millstream."""

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
            f"select indexname from pg_indexes where schemaname = {string(schema)} and tablename = {string(name)}",
            fetch=True,
        )
        there = [str(row[0]) for row in found.rows]
        if not model["config"].get("indexes") and not any(each.endswith(ENDS) for each in there):
            return []
        shown = [column.name for column in self.get_columns_in_relation(relation)]
        return statements(model, schema, name, shown, there)

    # -- what is deployed -------------------------------------------------------------------------------------------

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
        sql = f"copy {relation} from stdin"
        handle = self.connections.get_thread_connection().handle
        with self.connections.exception_handler(sql), handle.cursor() as cursor:
            cursor.copy_expert(sql, text_of(rows))

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
            super().drop_relation(relation)  # type: ignore[no-untyped-call]
        else:
            self._drop_deployed(relation, cascade=True)

    @available.parse_none
    def rename_relation(self, from_relation: BaseRelation, to_relation: BaseRelation) -> None:
        if (kind := self.deployed_kind(from_relation)) is not None:
            raise DbtRuntimeError(
                f"{from_relation} is a deployed {kind} and cannot be renamed: deploy it under its new name and drop "
                "the old one with `dbt run-operation drop_removed`"
            )
        super().rename_relation(from_relation, to_relation)  # type: ignore[no-untyped-call]

    def drop_schema(self, relation: BaseRelation) -> None:
        schema = str(relation.schema)
        while remaining := self.deployed(schema):
            name = next(iter(remaining))
            self._drop_deployed(relation.incorporate(path={"identifier": name}), cascade=True)
        super().drop_schema(relation)
