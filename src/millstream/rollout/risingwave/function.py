"""Python functions, which a server of their own serves (udf_server). RisingWave never replaces one."""

from __future__ import annotations

from dataclasses import replace

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.compare import check_function, hash_of
from millstream.rollout.risingwave.deployed import DeployedObject
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import literal, quoted
from millstream.rollout.risingwave.stamp import Stamp


def with_statement(wanted: Definition) -> Definition:
    """A function with its CREATE FUNCTION as its text."""
    node = wanted.options["node"]
    arguments = ", ".join(f"{each['name']} {each['data_type']}" for each in node["arguments"])
    remote = node["config"].get("remote_name") or node["name"]
    text = (
        f"create function {quoted(wanted.schema, wanted.name)} ({arguments})\n"
        f"returns {node['returns']['data_type']}\n"
        f"as {literal(remote)} using link {literal(node['config'].get('link'))}"
    )
    return replace(wanted, text=text)


def declare_function(there: Inventory, wanted: Definition) -> str:
    """Declare a function that is not there. Returns what was done; raises Refused where it is there otherwise."""
    wanted = with_statement(wanted)
    key = registry.FUNCTION + wanted.key
    if wanted.key in there.functions:
        mark = there.marks.get(key)
        check_function(wanted, mark.stamp if mark is not None else None)
        return "unchanged"
    # First its stamp: a declaration without one would be refused for ever.
    there.mark(registry.Mark(key, Stamp(1, hash_of(wanted)), wanted.text))
    there.statements.send(wanted.text)
    there.functions.add(wanted.key)
    return "created"


def deployed(wanted: Definition, mark: registry.Mark | None) -> DeployedObject:
    """A function that is there under the name of a definition, with its stamp."""
    return DeployedObject(0, wanted.schema, wanted.name, "function", mark.stamp if mark is not None else None)
