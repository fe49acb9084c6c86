"""Bring the past in: catalogue, households and purchase lines, what the views need to know of them, and embeddings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml

from millstream.demo.settings import LOG
from millstream.demo.steps import DemoStep
from millstream.project import import_loaders
from millstream.server import Home, Server

VARIANTS = ("control", "treatment")

# In which categories households buy the same product again, and after how many days a quarter of them has done so.
RULES = """
with

days as (

    select distinct user_id, item_id, cast(occurred_at as date) as bought_on
    from events
    where event_type = 'purchase'

),

gaps as (

    select
        item_id,
        bought_on - lag(bought_on) over (partition by user_id, item_id order by bought_on) as gap_days
    from days

)

insert into category_rules (category, is_repeatable, repeat_after_days)
select
    i.category,
    true,
    greatest(1, cast(percentile_cont(0.25) within group (order by g.gap_days) as integer))
from gaps as g
inner join items as i on i.item_id = g.item_id
where i.category is not null
group by i.category
having count(g.gap_days) >= 50 and count(g.gap_days) >= 0.1 * count(*)
"""

AGE_RESTRICTED = (
    "Beers / Ales", "Cigarettes", "Cigars", "Domestic Wine", "Imported Wine", "Liquor", "Miscellaneous Wine", "Tobacco Other",
)  # fmt: skip
EXCLUSIONS = """
insert into excluded_items (item_id, reason)
select item_id, 'age-restricted' from items where category = any(%s)
"""


@dataclass(frozen=True)
class Remembered:
    """What earlier runs did in this home: `<home>/demo.json`. Counts are of rows in the database; `project` is a digest of
    the files that were deployed, `relations` how many relations they are."""

    history_until: str = ""
    events: int = 0
    items: int = 0
    users: int = 0
    households: tuple[str, ...] = ()
    project: str = ""
    relations: int = 0


def recall(home: Home) -> Remembered:
    """Read what earlier runs did; an absent or damaged file is nothing."""
    try:
        read = json.loads((home.path / "demo.json").read_text())
        return Remembered(**{**read, "households": tuple(read["households"])})
    except (OSError, ValueError, TypeError, KeyError):
        return Remembered()


def remember(home: Home, **changes: Any) -> None:
    """Write what this run did, in one step."""
    path = home.path / "demo.json"
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(asdict(replace(recall(home), **changes)), indent=2) + "\n")
    temporary.replace(path)


def load_history(step: DemoStep, server: Server, until: datetime, show_progress: bool) -> None:
    """Load what happened before `until`, once, and check that all of it is there."""
    home = server.home
    known = recall(home)
    with psycopg.connect(server.dsn("writer"), autocommit=True) as writer:
        if known.history_until != until.isoformat() or not is_there(writer, until, known):
            source = import_loaders("formats.registry").open_source(LOG, until=until)
            loaded = import_loaders("loading.load").load(
                server.dsn("writer"), source, show_progress=show_progress
            )
            items, users = count(writer, "items"), count(writer, "users")
            known = replace(
                known,
                history_until=until.isoformat(),
                events=loaded.sent + loaded.already_there,
                items=items,
                users=users,
            )
            step.expect(
                loaded.rejected == 0, f"{loaded.rejected:,} lines were rejected: {'; '.join(loaded.reasons)}"
            )
            step.expect(is_there(writer, until, known), "not every purchase line is in the events relation")
            step.expect(items > 0 and users > 0, f"{items:,} products and {users:,} households are there")
            remember(home, **asdict(known))
        stocked = count(writer, "inventory")
        step.expect(stocked == known.items, f"{stocked:,} of {known.items:,} products have a stock row")
    step.note = f"{known.events:,} purchase lines, {known.items:,} products, {known.users:,} households"


def is_there(writer: psycopg.Connection, until: datetime, known: Remembered) -> bool:
    """Say whether the database holds the history that an earlier run noted."""
    row = writer.execute(
        "select count(*) from events where occurred_at < %s and event_id like 'cj-%%'", [until]
    ).fetchone()
    return row is not None and row[0] == known.events > 0 and count(writer, "items") >= known.items


def count(conn: psycopg.Connection, relation: str) -> int:
    """Count a relation's rows."""
    row = conn.execute(f"select count(*) from {relation}".encode()).fetchone()
    return int(row[0]) if row else 0


def set_rules(step: DemoStep, server: Server, project: Path) -> None:
    """Fill in what a merchandiser would: which categories repeat, what not to recommend, and the ranking's weights.

    What is there stays.
    """
    strategies = yaml.safe_load((project / "dbt_project.yml").read_text())["vars"]["strategies"]
    with psycopg.connect(server.dsn("writer"), autocommit=True) as writer:
        if count(writer, "category_rules") == 0:
            writer.execute(RULES.encode())
        if count(writer, "excluded_items") == 0:
            writer.execute(EXCLUSIONS.encode(), [list(AGE_RESTRICTED)])
        known = set(writer.execute("select variant, strategy from ranking_weights"))
        models = {row[0] for row in writer.execute("select variant from ranking_models")}
        for variant in VARIANTS:
            if variant not in models:
                writer.execute("insert into ranking_models (variant) values (%s)", [variant])
            for row in strategies:
                if (variant, row["name"]) not in known:
                    writer.execute(
                        "insert into ranking_weights (variant, strategy, weight) values (%s, %s, %s)",
                        [variant, row["name"], row["weight"]],
                    )
        writer.execute("call millstream.flush()")
        rules, excluded, variants = (
            count(writer, relation) for relation in ("category_rules", "excluded_items", "ranking_models")
        )
    step.expect(rules > 0, "no category is bought again: the history is too short")
    step.expect(variants >= len(VARIANTS), f"{variants} variants of the ranking are there")
    step.expect(excluded > 0, "no product is excluded")
    step.note = f"{rules:,} categories are bought again, {excluded:,} products are age-restricted"


def embed(step: DemoStep, server: Server, show_progress: bool) -> None:
    """Train item vectors on the purchases so far and put them into service; what is in service stays."""
    with psycopg.connect(server.dsn("writer"), autocommit=True) as writer:
        version = in_service(writer, server.home)
        if version is None:
            module = import_loaders("embeddings.embed")
            trained = module.embed(
                server.dsn("writer"), server.home.path, measure_quality=False, show_progress=show_progress
            )
            version = in_service(writer, server.home)
            step.expect(
                version == trained.version, f"{trained.version} was trained and {version} is in service"
            )
        step.note = f"{version}, {count(writer, 'embedding_neighbours'):,} products with neighbours"


def in_service(writer: psycopg.Connection, home: Home) -> str | None:
    """Return the version that the weights, the neighbours and the model file agree on, or None."""
    versions = {row[0] for row in writer.execute("select model_version from ranking_models")}
    versions |= {row[0] for row in writer.execute("select distinct model_version from embedding_neighbours")}
    version = versions.pop() if len(versions) == 1 else None
    has_rows = count(writer, "embedding_neighbours") > 0
    return version if version and has_rows and (home.models / f"{version}.npz").is_file() else None
