"""Sinks and subscriptions: a new one takes over before the one that runs is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.compare import reason_to_build, stamp_of
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import literal
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.swap import exchange, next_version


def attach(there: Inventory, wanted: Definition, *, full_refresh: bool = False) -> str:
    """Make a sink or subscription, whose text is its whole statement, or replace it. Returns what was done, and why."""
    there.record()
    current = there.objects.get(wanted.key)
    if current is not None and current.kind != wanted.kind:
        raise refused("MS102", wanted.path, name=wanted.key, found=current.kind, kind=wanted.kind)
    reason = reason_to_build(wanted, there, full_refresh=full_refresh)
    if not reason:
        return "unchanged"
    version = next_version(there, wanted.schema, wanted.name)
    stamp = stamp_of(wanted, there, version)
    marks = [registry.Mark(wanted.key, stamp, wanted.text)]
    if current is None:
        there.statements.send(wanted.text)
        there.created(wanted.schema, wanted.name, wanted.kind)
    else:
        beside = take_over(there, wanted.kind, wanted.key, wanted.text, version)
        if current.stamp is not None:  # for going back to it
            marks.append(registry.Mark(beside, current.stamp, current.statement))
    there.mark(*marks)
    return f"{'created' if current is None else 'replaced'}: version {version}, {reason}"


def take_over(there: Inventory, kind: str, key: str, statement: str, version: int) -> str:
    """Let what a statement makes stand in the place of what has the key. Returns the key under which it was made."""
    schema, name = key.split(".", 1)
    beside = f"{name}__{version}"
    full = there.full_name(schema, beside)
    there.statements.send(statement.replace(there.full_name(schema, name), full))
    made = there.created(schema, beside, kind)
    exchange(there, kind, key, made.key)
    there.statements.send(f"drop {kind} {full}")
    there.dropped(made.key)
    return made.key


def feed_of(there: Inventory, wanted: Definition) -> Definition | None:
    """The subscription `<view>_feed` of a materialized view whose configuration has `change_feed`, a time such as 1D."""
    retention = wanted.options.get("change_feed")
    if wanted.kind != "materialized_view" or not retention:
        return None
    name = f"{wanted.name}_feed"
    return Definition(
        wanted.schema,
        name,
        "subscription",
        subscription_statement(
            there.full_name(wanted.schema, name), there.full_name(wanted.schema, wanted.name), retention
        ),
        wanted.path,
        (wanted.key,),
    )


def with_statement(there: Inventory, wanted: Definition) -> Definition:
    """A sink or subscription with its whole CREATE statement as its text."""
    full, config = there.full_name(wanted.schema, wanted.name), wanted.options["config"]
    if wanted.kind == "subscription":
        retention = config.get("retention") or "1D"
        return replace(wanted, text=subscription_statement(full, wanted.text.strip(), retention))
    return replace(wanted, text=sink_statement(full, wanted.text, config))


def subscription_statement(name: str, relation: str, retention: str) -> str:
    """CREATE SUBSCRIPTION; both names are quoted."""
    return f"create subscription {name} from {relation} with (retention = '{retention}')"


def sink_statement(name: str, text: str, config: Mapping[str, Any]) -> str:
    """The CREATE SINK that a model is, or that its configuration says of its query or relation."""
    if not config.get("connector"):
        return text.strip()
    options = {"connector": config["connector"], **(config.get("connector_parameters") or {})}
    lines = ",\n".join(f"    {option} = {literal(value)}" for option, value in options.items())
    before = " as\n" if "select" in text.lower() else " from "
    statement = f"create sink {name}{before}{text.strip()}\nwith (\n{lines}\n)"
    if not (config.get("data_format") and config.get("data_encode")):
        return statement
    extra = ", ".join(
        f"{option} = {literal(value)}" for option, value in (config.get("format_parameters") or {}).items()
    )
    encoded = f"{statement}\nformat {config['data_format']} encode {config['data_encode']}"
    return f"{encoded} ({extra})" if extra else encoded
