"""`millstream explain`: how a model is kept current, and what that costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from millstream import server
from millstream.cli.words import counted
from millstream.server import Home

if TYPE_CHECKING:
    from millstream.engine.inspect.explain import Explained, NodeExplained
    from millstream.engine.inspect.operators import Operator


@click.command(name="explain")
@click.argument("model", metavar="MODEL")
@click.option("--schema", default="public", show_default=True, help="The schema that it is deployed in.")
@click.option("--wide", is_flag=True, help="Print expressions in full.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of trees.")
@click.pass_obj
def command(home: Home, model: str, schema: str, wide: bool, as_json: bool) -> None:
    """Show how MODEL is kept current, and at what cost.

    Prints operators, stored tables, indexes, and the time that they take. A model is cut into nodes, each a stored
    table with a change rule. Rows of large tables are PostgreSQL's estimate; milliseconds are the worker's, over all
    ticks since the model was deployed.

    \b
    Example:
      millstream explain rank_user_list
      millstream explain feat_trending --json | jq '.nodes[].cost'
    """
    from millstream.engine.inspect.explain import (
        explain,  # the engine is slow to import, and --help needs none of it
    )

    with psycopg.connect(server.connect(home.path).dsn("owner"), autocommit=True) as connection:
        found = explain(connection, model, schema=schema)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, default=str))
        return
    show(found, Console(highlight=False), wide=wide)


def show(found: Explained, console: Console, *, wide: bool) -> None:
    """Print what `explain` found, for people."""
    head = Table.grid(padding=(0, 2))
    head.add_row("[bold]model[/]", f"[bold]{escape(found.name)}[/], {found.kind.replace('_', ' ')}")
    head.add_row("kept", escape(found.kept))
    for label, value in (
        ("file", found.path or ""),
        ("reads", ", ".join(found.reads)),
        ("read by", ", ".join(found.read_by)),
    ):
        if value:
            head.add_row(label, escape(value))
    if found.stored is not None and not found.nodes:
        head.add_row("stored", f"{counted(found.stored.rows, 'row')}, {found.stored.bytes / 1e6:,.1f} MB")
        head.add_row("indexes", escape("; ".join(found.stored.indexes)))
    if found.queued is not None:
        head.add_row("queued", f"{counted(found.queued, 'row')}")
    console.print(head)
    for node in reversed(found.nodes):
        console.print()
        console.print(tree_of(node, wide), no_wrap=not wide, overflow="ellipsis")


def tree_of(node: NodeExplained, wide: bool) -> Tree:
    """One node: what it stores and costs, then its operators."""
    tree = Tree(f"[bold]{escape(node.name)}[/]")
    tree.add(f"[cyan]{escape(node.rule)}[/]")
    if node.driver is not None:
        tree.add(f"acts on {escape(node.driver)}; looks up {escape(', '.join(node.looked_up) or 'nothing')}")
    if node.python:
        tree.add(f"calls Python: {escape(', '.join(node.python))}")
    tree.add(
        f"{counted(node.stored.rows, 'row')}, {node.stored.bytes / 1e6:,.1f} MB, indexes {escape('; '.join(node.stored.indexes))}"
    )
    mean = node.cost.per_tick
    spent = (
        "no tick yet"
        if mean is None
        else (
            f"{mean:,.3f} ms a tick over {counted(node.cost.ticks, 'tick')}, {counted(node.cost.changes, 'row')} changed"
        )
    )
    tree.add(spent)
    add(tree.add("[dim]operators[/]"), node.plan, wide)
    return tree


def add(tree: Tree, operator: Operator, wide: bool) -> None:
    """Add an operator and what it reads."""
    detail = operator.detail if wide or len(operator.detail) <= 100 else operator.detail[:97] + "..."
    branch = tree.add(f"[bold]{escape(operator.name)}[/] {escape(detail)}".rstrip())
    for below in operator.inputs:
        add(branch, below, wide)
