"""Views and materialized views: built beside what is served, then swapped."""

from __future__ import annotations

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.attached import attach, feed_of
from millstream.rollout.risingwave.compare import reason_to_build, stamp_of
from millstream.rollout.risingwave.grants import copy_grants, grant_configured
from millstream.rollout.risingwave.indexes import create_indexes
from millstream.rollout.risingwave.inventory import QUERIES, Inventory
from millstream.rollout.risingwave.naming import keyword
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.swap import guard_swap, next_version, swap


def deploy_view(there: Inventory, wanted: Definition, *, full_refresh: bool = False) -> str:
    """Deploy a view, whose functions are declared, and its change feed. Returns what was done, and why."""
    there.record()
    current = there.objects.get(wanted.key)
    if current is not None and current.kind not in QUERIES:
        raise refused("MS102", wanted.path, name=wanted.key, found=current.kind, kind=wanted.kind)
    reason = reason_to_build(wanted, there, full_refresh=full_refresh)
    done = build(there, wanted, reason) if reason else "unchanged"
    if (feed := feed_of(there, wanted)) is not None:
        attach(there, feed, full_refresh=full_refresh)
    return done


def build(there: Inventory, wanted: Definition, reason: str) -> str:
    """Make a build, and let it be the one that is served."""
    current = there.objects.get(wanted.key)
    version = next_version(there, wanted.schema, wanted.name)
    built = wanted.name if current is None else f"{wanted.name}__{version}"
    stamp = stamp_of(wanted, there, version)
    materialized = wanted.kind == "materialized_view"
    there.statements.send(
        f"create {keyword(wanted.kind)} {there.full_name(wanted.schema, built)} as\n{wanted.text}"
    )
    made = there.created(wanted.schema, built, wanted.kind)
    if materialized:
        create_indexes(there, wanted, built, version)
    if current is not None:
        copy_grants(there, wanted, built)
    grant_configured(there, wanted, built)
    if current is None or materialized:
        # Before the swap, so that a deployment that ends right behind it is seen to have come so far.
        there.mark(registry.Mark(made.key, stamp))
    if current is None:
        return f"created: version {version}, {reason}"
    if materialized:
        guard_swap(there, wanted, built)
    swap(there, wanted, current, built, stamp)
    return f"replaced: version {version}, {reason}"
