"""Real households with real lists, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from millstream.demo.settings import HOUSEHOLDS, LIST_ROWS
from millstream.demo.steps import DemoStep
from millstream.recommend.lists import Recommendation, recommend

# The households of known age and size that bought most before the live replay begins, one of each segment.
CHOICE = """
with

buyers as (

    select u.user_id, u.segment, count(*) as lines
    from users as u
    inner join stg_events as e on e.user_id = u.user_id
    where u.segment <> 'unknown household' and e.occurred_at < %s
    group by u.user_id, u.segment

),

firsts as (

    select distinct on (segment) user_id, segment, lines
    from buyers
    order by segment, lines desc, user_id

)

select user_id from firsts order by lines desc, user_id limit %s
"""


@dataclass(frozen=True)
class Household:
    """Who is shown: `bought` are names of what was bought last, newest first."""

    user_id: str
    segment: str
    lines: int
    bought: tuple[str, ...]


def choose(owner: psycopg.Connection, until: datetime) -> tuple[str, ...]:
    """Choose whom to show."""
    return tuple(row[0] for row in owner.execute(CHOICE.encode(), [until, HOUSEHOLDS]))


def look_up(owner: psycopg.Connection, user_id: str) -> Household:
    """Say who a household is."""
    row = owner.execute(
        "select u.segment, (select count(*) from stg_events as e where e.user_id = u.user_id)"
        " from users as u where u.user_id = %s",
        [user_id],
    ).fetchone()
    recent = owner.execute(
        "select i.name from feat_user_recent as r cross join unnest(r.item_ids) with ordinality as x (item_id, place)"
        " inner join items as i on i.item_id = x.item_id where r.user_id = %s order by x.place limit 4",
        [user_id],
    ).fetchall()
    segment, lines = row if row is not None else ("unknown", 0)
    return Household(user_id, str(segment), int(lines), tuple(str(found[0]) for found in recent))


def show_list(step: DemoStep, reader: psycopg.Connection, household: Household) -> Group:
    """Read a household's list as an application would, check it, and lay it out."""
    rows = recommend(reader, household.user_id, LIST_ROWS)
    step.expect(
        len(rows) == LIST_ROWS and all(row.source == "personal" for row in rows),
        f"household {household.user_id} has {len(rows)} rows from {sorted({row.source for row in rows})}",
    )
    step.expect(len({row.item_id for row in rows}) == len(rows), "an item is in a list twice")
    table = columns_for(recommended=4, because=5, strategy=2)
    for row in rows:
        table.add_row(str(row.rank), escape(row.name), escape(row.reason_text or ""), row.strategy)
    who = Text.from_markup(
        f"[bold]household {escape(household.user_id)}[/] ({escape(household.segment)}, {household.lines:,} lines) "
        f"bought last [dim]{escape('; '.join(household.bought))}[/]",
        overflow="ellipsis",
    )
    who.no_wrap = True
    return Group(who, table, "")


def columns_for(**shares: int) -> Table:
    """A table of numbered rows as wide as the terminal; each column gets its share, and text is cut to it."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0), expand=True)
    table.add_column("", justify="right", width=2)
    for name, share in shares.items():
        table.add_column(name, no_wrap=True, ratio=share)
    return table


def side_by_side(
    before: list[Recommendation], after: list[Recommendation], bought: Recommendation, console: Console
) -> None:
    """Print a list as it was and as it is; what is new is green, what was bought is struck through."""
    old = {row.item_id for row in before}
    table = columns_for(before=3, after=3, because=4)
    for place in range(LIST_ROWS):
        was, now = before[place], after[place]
        left = f"[strike red]{escape(was.name)}[/]" if was.item_id == bought.item_id else escape(was.name)
        right = escape(now.name) if now.item_id in old else f"[green]{escape(now.name)}[/]"
        reason = escape(now.reason_text or "")
        table.add_row(
            str(place + 1),
            left,
            right,
            f"[green]{reason}[/]" if now.reason_item_id == bought.item_id else reason,
        )
    console.print(table)
