"""RisingWave: what runs there, deploying to it with dbt, and going back.

The stamps that the macros in macros/risingwave write say what runs: docs/decisions/0006-risingwave-deploys.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from argparse import Namespace
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from millstream.errors import MillstreamError
from millstream.rollout import dbt
from millstream.rollout.definition import Definition, read_manifest
from millstream.rollout.plan import Difference, Plan, Running, Say, Step, make_plan
from millstream.rollout.rows import compare_rows

TARGET = "risingwave"
REBUILT = ("materialized_view", "view", "sink", "subscription")
COMMENTED = ("table", "materialized_view")
BUILD = re.compile(r"(.+?)__(\d+)(?:_old)?")
COMMENT = re.compile(r"('(?:[^']|'')*')|--[^\n]*")
MARK = "millstream "

RELATIONS = """
select r.id, s.name as schema_name, r.name, r.relation_type, d.description
from rw_catalog.rw_relations as r
join rw_catalog.rw_schemas as s on s.id = r.schema_id
left join pg_catalog.pg_description as d on d.objoid = r.id and d.objsubid = 0
where s.name not in ('rw_catalog', 'pg_catalog', 'information_schema')
"""


@dataclass(frozen=True)
class Object:
    """One relation of the catalogue with its stamp; `statement` is what made a sink or subscription."""

    schema: str
    name: str
    kind: str
    stamp: Mapping[str, Any] | None
    statement: str = ""

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def version(self) -> int:
        return int(self.stamp["version"]) if self.stamp else 0


class Server:
    """A connection that runs one statement at a time."""

    def __init__(self, handle: Any, database: str, schema: str) -> None:
        self.handle = handle
        self.registry = f'"{database}"."{schema}"."millstream_registry"'

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        cursor = self.handle.cursor()
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]

    def send(self, text: str) -> None:
        """Run a statement."""
        self.handle.cursor().execute(text)

    def objects(self) -> dict[str, Object]:
        """Everything there, by `schema.name`, functions by `function:schema.name`."""
        found: dict[str, Object] = {}
        for _, schema, name, kind, comment in self.ask(RELATIONS):
            each = Object(schema, name, kind.replace(" ", "_"), read_stamp(comment))
            found[each.key] = each
        if not any(each.name == "millstream_registry" for each in found.values()):
            return found
        for name, stamp, statement in self.ask(f"select name, stamp, statement from {self.registry}"):
            if name in found and found[name].kind not in COMMENTED:
                found[name] = replace(found[name], stamp=read_stamp(stamp), statement=statement)
            elif name not in found:  # a function, or the statement of a sink that was replaced
                schema, _, rest = name.removeprefix("function:").partition(".")
                kind = "function" if name.startswith("function:") else "gone"
                found[name] = Object(schema, rest, kind, read_stamp(stamp), statement)
        return found


def read_stamp(text: str | None) -> Mapping[str, Any] | None:
    """The stamp in a comment, if there is one."""
    if text is None or MARK + "{" not in text:
        return None
    stamp: Mapping[str, Any] = json.loads(text[text.rindex(MARK + "{") + len(MARK) :])
    return stamp


def definition_hash(kind: str, text: str, options: Mapping[str, Any]) -> str:
    """What the macro rw_definition computes."""
    code = " ".join(COMMENT.sub(r"\1", text).split())
    given = f"{kind}\n{code}\n{json.dumps(options, sort_keys=True)}"
    return hashlib.md5(given.encode(), usedforsecurity=False).hexdigest()


@contextmanager
def connect(root: Path, home: Path) -> Iterator[RisingWave]:
    """Connect as profiles.yml says. Raises MillstreamError, with the remedy, where that does not work."""
    from dbt.adapters.contracts.connection import Connection, ConnectionState, Identifier
    from dbt.adapters.exceptions.connection import FailedToConnectError
    from dbt.adapters.risingwave.connections import RisingWaveConnectionManager

    manifest = dbt.compile_project(root, home, TARGET)
    credentials = profile(root)
    new = Connection(
        type=Identifier(TARGET), name="deploy", state=ConnectionState("init"), credentials=credentials
    )
    place = f"{credentials.host}:{credentials.port}"
    try:
        handle = RisingWaveConnectionManager.open(new).handle  # type: ignore[no-untyped-call]
    except FailedToConnectError as error:
        raise MillstreamError(
            f"RisingWave does not answer at {place}: {str(error).strip()}\n"
            "  hint: start it (make up), or set RISINGWAVE_HOST and RISINGWAVE_PORT; nothing was changed"
        ) from error
    handle.autocommit = True
    try:
        yield RisingWave(Server(handle, credentials.database, credentials.schema), root, home, manifest)
    finally:
        handle.close()


def profile(root: Path) -> Any:
    """The credentials of target risingwave, as dbt reads them."""
    from dbt.config.runtime import load_profile

    return load_profile(str(root), {}, target_override=TARGET).credentials


def profile_alone(root: Path) -> Any:
    """The credentials, where no dbt command ran before: dbt must be told of the environment and where to look."""
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    set_invocation_context(os.environ)
    set_from_args(Namespace(project_dir=str(root), profiles_dir=str(root)), None)
    return profile(root)


def conninfo(credentials: Any) -> str:
    """The connection string of credentials."""
    return make_conninfo(
        host=credentials.host,
        port=credentials.port,
        user=credentials.user,
        password=credentials.password or None,
        dbname=credentials.database,
    )


class RisingWave:
    """Deploys to RisingWave."""

    def __init__(self, server: Server, root: Path, home: Path, manifest: Mapping[str, Any]) -> None:
        self.server = server
        self.root = root
        self.home = home
        self.wanted = with_feeds(read_manifest(manifest))

    def plan(self) -> Plan:
        """What a deploy of the project would do."""
        objects = self.server.objects()
        found = current(objects, {each.schema for each in self.wanted})
        return make_plan(TARGET, self.wanted, found, compare(objects), REBUILT)

    def plan_rollback(self) -> Plan:
        """The builds that would be exchanged for the ones that they replaced."""
        objects = self.server.objects()
        steps = [
            Step(each.key, each.kind, "change", f"version {each.version} gives way to {kept.version}")
            for each, kept in replaced(objects)
        ]
        if not steps:
            raise MillstreamError(
                "there is no earlier version to go back to: `millstream deploy` keeps the builds that it replaces, until "
                "the next deploy or `dbt run`\n  hint: change the models back and deploy them"
            )
        attached = [
            Step(each.key, each.kind, "rebuild", "reads what goes back")
            for each in objects.values()
            if each.kind in ("sink", "subscription")
            and each.stamp
            and set(each.stamp["reads"]) & {step.name for step in steps}
        ]
        return Plan(TARGET, (*steps, *attached), undoes="the deployment whose replaced builds are kept")

    def deploy(self, plan: Plan, say: Say) -> dict[str, Any]:
        """Drop what an earlier deploy kept, then let dbt build and swap, and keep what it replaces."""
        steps = plan.of("change", "rebuild")
        before = self.counts(steps)
        if replaced(self.server.objects()):
            self.run("run-operation", "rw_drop_replaced", "--args", "{keep_previous: ''}")

        def heard(event: Any) -> None:
            if event.info.name == "NodeFinished" and event.data.node_info.node_status == "success":
                say(f"done {event.data.node_info.node_name}")

        os.environ["MILLSTREAM_KEEP_PREVIOUS"] = "1"
        try:
            result = dbt.invoke(self.root, self.home, TARGET, "run", heard=heard)
        finally:
            del os.environ["MILLSTREAM_KEEP_PREVIOUS"]
        if plan.of("drop"):
            self.run("run-operation", "rw_drop_removed", "--args", "{dry_run: false}")
        after = self.counts(plan.of("create", "change", "rebuild"))
        return {"results": dbt.results(result), **compare_rows(before, after)}

    def roll_back(self, plan: Plan, say: Say) -> dict[str, Any]:
        """Exchange names: the builds before this one were kept up to date and read one another."""
        before = self.counts(plan.of("change"))
        objects = self.server.objects()
        for each, kept in replaced(objects):
            keyword = each.kind.replace("_", " ")
            self.server.send(f"alter {keyword} {quoted(each)} swap with {quoted(kept)}")
            if each.kind not in COMMENTED:
                self.register(each.key, kept)
                self.register(kept.key, each)
            say(f"restored {each.key}, version {kept.version}")
        for step in plan.of("rebuild"):
            self.restore_attached(objects, objects[step.name])
            say(f"restored {step.name}")
        return {**compare_rows(before, self.counts(plan.of("change"))), "suspicious": []}

    def restore_attached(self, objects: Mapping[str, Object], each: Object) -> None:
        """Let a sink or subscription, as it was declared before, read what its view's name stands for now."""
        old = [
            other
            for other in objects.values()
            if other.kind == "gone" and is_build(other, each) and 0 < other.version < each.version
        ]
        before = max(old, key=lambda other: other.version, default=each)
        beside = f"{each.name}__{each.version + 1}"
        statement = before.statement.replace(quoted(each, self.server), quoted(each, self.server, beside))
        self.server.send(statement)
        name = quoted(each)
        other = f'"{each.schema}"."{beside}"'
        self.server.send(f"alter {each.kind} {name} swap with {other}")
        self.server.send(f"drop {each.kind} {other}")
        self.register(each.key, before)

    def register(self, key: str, each: Object) -> None:
        """Write the stamp of what a name stands for now."""
        stamp = MARK + json.dumps(each.stamp, sort_keys=True)
        values = ", ".join(literal(value) for value in (key, stamp, each.statement or ""))
        self.server.send(f"insert into {self.server.registry} (name, stamp, statement) values ({values})")

    def counts(self, steps: Sequence[Step]) -> dict[str, int]:
        """Rows of the materialized views among some steps, where they are there."""
        objects = self.server.objects()
        return {
            step.name: int(self.server.ask(f"select count(*) from {quoted(objects[step.name])}")[0][0])
            for step in steps
            if step.kind == "materialized_view" and step.name in objects
        }

    def run(self, *command: str) -> None:
        dbt.invoke(self.root, self.home, TARGET, *command)


def with_feeds(wanted: Sequence[Definition]) -> list[Definition]:
    """The definitions, with the subscription of each view that has a change feed."""
    found: list[Definition] = []
    for each in wanted:
        found.append(each)
        retention = each.options.get("change_feed")
        if each.kind == "materialized_view" and retention:
            found.append(
                Definition(each.schema, f"{each.name}_feed", "subscription", "", each.path, (each.key,))
            )
    return found


def current(objects: Mapping[str, Object], schemas: Collection[str]) -> dict[str, Running]:
    """What was deployed in the project's schemas, without builds that were replaced and what is not ours."""
    found = {}
    for key, each in objects.items():
        if each.schema not in schemas:
            continue
        if each.kind == "function":
            found[f"{each.schema}.{each.name}"] = Running(f"{each.schema}.{each.name}", "function", each)
        elif each.stamp and each.kind != "gone" and not is_spare(each, objects):
            found[key] = Running(key, each.kind, each)
    return found


def is_spare(each: Object, objects: Mapping[str, Object]) -> bool:
    """Whether an object is a build of another that stands under its own name."""
    found = BUILD.fullmatch(each.name)
    return found is not None and f"{each.schema}.{found[1]}" in objects


def is_build(each: Object, of: Object) -> bool:
    """Whether an object is, or was, a build of another."""
    found = BUILD.fullmatch(each.name)
    return found is not None and (each.schema, found[1]) == (of.schema, of.name)


def replaced(objects: Mapping[str, Object]) -> list[tuple[Object, Object]]:
    """Each view with the last build that it replaced, where that is still there."""
    found = []
    for each in objects.values():
        if each.kind not in ("view", "materialized_view"):
            continue
        older = [
            other
            for other in objects.values()
            if other.kind == each.kind and is_build(other, each) and 0 < other.version < each.version
        ]
        if older:
            found.append((each, max(older, key=lambda other: other.version)))
    return found


def compare(objects: Mapping[str, Object]) -> Any:
    """Return a function that says why a definition is not what runs."""

    def difference(wanted: Definition, found: Running) -> Difference:
        each: Object = found.detail
        if (wanted.kind, found.kind) == ("rows", "table"):
            return Difference()
        if wanted.kind != found.kind:
            if {wanted.kind, found.kind} <= {"view", "materialized_view"}:
                return Difference(f"was a {found.kind}")
            return Difference(f"is deployed as a {found.kind}", remedy="drop it, or choose another name")
        stamp = each.stamp or {}
        if wanted.kind == "function":
            return compare_function(wanted, stamp)
        is_view = wanted.kind in ("view", "materialized_view")
        options = {name: wanted.options[name] for name in ("indexes", "change_feed")} if is_view else {}
        same = not wanted.text or definition_hash(wanted.kind, wanted.text, options) == stamp["definition"]
        if wanted.kind in ("table", "source"):
            return Difference() if same else compare_tables(wanted, stamp)
        if not same:
            return Difference("its definition changed")
        for name, version in stamp["reads"].items():
            if name in objects and objects[name].version != version:
                return Difference(f"it read an older {name}")
        return Difference()

    return difference


def compare_tables(wanted: Definition, stamp: Mapping[str, Any]) -> Difference:
    """A changed declaration of what holds rows: new nullable columns at its end, or a refusal."""
    from millstream.rollout.risingwave.shape import columns_and_rest

    columns, rest = columns_and_rest(wanted.text)
    before = stamp["columns"]
    added = columns[len(before) :]
    solid = [column for column in added if re.search(r" not null| primary key", column, re.I)]
    if wanted.kind != "table" or columns[: len(before)] != before or rest != stamp["rest"] or solid:
        return Difference(
            "its declaration changed by more than new nullable columns at the end",
            remedy="load into a table of a new name, or dbt run --full-refresh, which empties it",
        )
    return Difference(
        f"gains {', '.join(added)}" if added else "its declaration is written otherwise", readers=False
    )


def compare_function(wanted: Definition, stamp: Mapping[str, Any]) -> Difference:
    """A function is what it was, or needs a new name."""
    if definition_hash("function", function_statement(wanted), {}) == stamp["definition"]:
        return Difference()
    return Difference(
        "its signature or link changed, and RisingWave never replaces a function",
        remedy="give it a new name with a higher version, and let the models call that",
    )


def function_statement(wanted: Definition) -> str:
    """What the macro rw_deploy_function sends."""
    node = wanted.options["node"]
    arguments = ", ".join(f"{each['name']} {each['data_type']}" for each in node["arguments"])
    config = node["config"]
    remote = config.get("remote_name") or node["name"]
    return (
        f'create function "{wanted.schema}"."{wanted.name}" ({arguments})\n'
        f"returns {node['returns']['data_type']}\n"
        f"as {literal(remote)} using link {literal(config.get('link'))}"
    )


def quoted(each: Object, server: Server | None = None, name: str | None = None) -> str:
    """The name for a statement; with a server as dbt writes it, database included."""
    head = server.registry.split(".", maxsplit=1)[0] + "." if server is not None else ""
    return f'{head}"{each.schema}"."{name or each.name}"'


def literal(value: object) -> str:
    """A string literal."""
    return "'" + str(value).replace("'", "''") + "'"
