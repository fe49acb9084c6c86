"""Drops: builds that were replaced, and what left the project. Nothing is dropped that something else reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import build_of, keyword, quoted


@dataclass(frozen=True)
class Drops:
    """The keys of what was dropped, in order, and of what stayed because something else reads it."""

    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def replaced_builds(there: Inventory, *, keep_previous: bool) -> list[str]:
    """The builds of everything that has a stamp; with `keep_previous` all but the last one replaced, for going back."""
    objects = there.objects
    builds: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for key, each in objects.items():
        found = build_of(each.name)
        base = f"{each.schema}.{found[0]}" if found is not None else ""
        if each.kind != "index" and base in objects and objects[base].stamp is not None:
            builds[base].append((each.version, key))
    replaced = []
    for base, found_builds in builds.items():
        older = [build for build in found_builds if 0 < build[0] < objects[base].version]
        kept = max(older)[1] if keep_previous and older else None
        replaced += [key for _, key in found_builds if key != kept]
    return replaced


def removed(there: Inventory, listed: Collection[str], *, tables: bool) -> list[str]:
    """What has a stamp and is not among the keys that a project has, nor a build of one of them."""
    found = []
    for key, each in there.objects.items():
        build = build_of(each.name)
        is_build = build is not None and f"{each.schema}.{build[0]}" in listed
        holds_rows = each.kind in ("table", "source")
        if each.stamp is not None and key not in listed and not is_build and (tables or not holds_rows):
            found.append(key)
    return found


def keys_of(definitions: Iterable[Definition]) -> set[str]:
    """The keys that a project has: its models', and their change feeds'."""
    found = set()
    for each in definitions:
        found.add(each.key)
        if each.options.get("change_feed"):
            found.add(f"{each.key}_feed")
    return found


def drop_unread(there: Inventory, keys: Iterable[str]) -> Drops:
    """Drop what nothing else reads, in an order in which that is so."""
    waiting, dropped = list(keys), list[str]()
    if not waiting:
        return Drops()
    if there.has_new:
        there.forget_all()  # what was made in this run has an id by now
    objects = dict(there.objects)
    waiting = [key for key in waiting if key in objects]
    readers = readers_of(there)
    gone: set[int] = set()
    while ready := [key for key in waiting if not readers[objects[key].id] - gone]:
        for key in ready:
            each = objects[key]
            there.statements.send(f"drop {keyword(each.kind)} {quoted(each.schema, each.name)}")
            there.dropped(key)
            there.unmark(key)
            gone.add(each.id)
            dropped.append(key)
            waiting.remove(key)
    return Drops(tuple(dropped), tuple(waiting))


def readers_of(there: Inventory) -> dict[int, set[int]]:
    """The ids of what reads each id; indexes are not counted, as they go with what they are on."""
    kinds = {each.id: each.kind for each in there.objects.values()}
    readers: dict[int, set[int]] = defaultdict(set)
    for reader, read in there.statements.ask("select objid, refobjid from rw_catalog.rw_depend"):
        if kinds.get(int(reader)) != "index":
            readers[int(read)].add(int(reader))
    return readers
