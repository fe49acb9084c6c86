"""What holds of the served lists at every moment, whatever the history; worked out from the sources, not from the models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
Query = Callable[[str], Sequence[tuple[Any, ...]]]

OWNERS = {
    "serve_recommendations": "user_id",
    "serve_similar_items": "shown_with_item_id",
    "serve_bought_together": "shown_with_item_id",
    "serve_trending_now": "scope",
    "serve_popular": "segment",
    "serve_segment_popular": "user_id",
}
"""The lists that are served, and whose or of what each is."""
LONGEST = 100
NEVER = 100_000
"""Days in which nobody lives to see an item offered again."""

WHO = "coalesce(e.user_id, i.user_id, e.anonymous_id)"
KEPT = f"""
select {WHO}, e.item_id, max(e.occurred_at) filter (where e.event_type = 'purchase')
from events as e
left join identities as i on i.anonymous_id = e.anonymous_id
where coalesce(e.consent, true) and e.event_type in ('purchase', 'refund')
group by {WHO}, e.item_id
having sum(case e.event_type when 'purchase' then 1 else -1 end * coalesce(e.quantity, 1)) > 0
"""


@dataclass(frozen=True)
class Shop:
    """What may be shown: items with their category, people who are erased, and what people bought and keep."""

    now: datetime
    items: Mapping[str, str | None]
    erased: frozenset[str]
    kept: Mapping[tuple[str, str], datetime]
    repeats: Mapping[str, timedelta]

    @classmethod
    def read(cls, query: Query, now: datetime) -> Shop:
        """Read the sources."""
        hidden = {item for (item,) in query("select item_id from inventory where quantity <= 0")}
        hidden |= {item for (item,) in query("select item_id from excluded_items")}
        items = query("select item_id, category from items where is_active")
        rules = query(
            "select category, coalesce(repeat_after_days, 0) from category_rules where is_repeatable"
        )
        return cls(
            now,
            {item: category for item, category in items if item not in hidden},
            frozenset(user for (user,) in query("select user_id from erased_users")),
            {(user, item): at for user, item, at in query(KEPT)},
            {category: timedelta(days=days) for category, days in rules if days < NEVER},
        )

    def keeps(self, user: str, item: str) -> bool:
        """Whether a person has an item and is not to be offered it again yet."""
        bought = self.kept.get((user, item))
        if bought is None:
            return False
        wait = self.repeats.get(self.items.get(item) or "")
        return wait is None or bought > self.now - wait


def violations(model: str, rows: Sequence[Row], shop: Shop) -> Iterator[str]:
    """What is wrong with the lists of a model."""
    lists: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists[row[OWNERS[model]]].append(row)
    for owner, ranked in lists.items():
        for wrong in of_one(model, owner, ranked, shop):
            yield f"{model} of {owner}: {wrong}"


def of_one(model: str, owner: str, ranked: Sequence[Row], shop: Shop) -> Iterator[str]:
    """What is wrong with one list, which is ordered by rank."""
    items = [row["item_id"] for row in ranked]
    slots = [row["slot"] for row in ranked]
    if [row["rank"] for row in ranked] != list(range(1, len(ranked) + 1)):
        yield f"ranks {[row['rank'] for row in ranked]}"
    if len(ranked) > LONGEST:
        yield f"{len(ranked)} items"
    if len(set(items)) < len(items):
        yield f"an item twice in {items}"
    if slots != sorted(set(slots)):
        yield f"slots {slots}"
    if len({row["rec_id"] for row in ranked}) > 1:
        yield "several rec_ids"
    if any(row["reason_text"] is None or row["name"] is None for row in ranked):
        yield "an item without a name or a reason"
    strategies = {row["strategy"] for row in ranked} if model == "serve_similar_items" else {None}
    for strategy in strategies:
        scores = [score(row) for row in ranked if strategy in (None, row["strategy"])]
        if scores != sorted(scores, reverse=True):
            yield f"scores {scores}"
    for item in items:
        if item not in shop.items:
            yield f"{item} is not to be shown"
    if model == "serve_recommendations":
        if owner in shop.erased:
            yield "they are erased"
        for item in items:
            if shop.keeps(owner, item):
                yield f"{item} is bought"
    elif owner in items:
        yield "the item itself"


def score(row: Row) -> float:
    """A neighbour that was loaded without a score comes after the others."""
    return float("-inf") if row["score"] is None else float(row["score"])
