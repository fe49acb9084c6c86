"""How `millstream recommend` shows a list to people: ids, ranks and scores are whole on every terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from millstream.cli.recommend import PIPED, table_of
from millstream.recommend.lists import Recommendation

REASON = "Because you looked at the large oak dining table with six chairs"
ITEMS = ["1228", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "sku[red]-7"]
ROWS = [
    Recommendation(
        rank=rank,
        item_id=item,
        name=f"A product with a name of some length, number {rank}",
        category=None,
        brand=None,
        price=None,
        image_url=None,
        score=rank / 8,
        strategy="i2i_covisitation",
        reason_item_id=None,
        reason_text=REASON,
        source="segment_popular",
        tier=1,
        slot=None,
        variant=None,
        model_version=None,
        rec_id="r",
        computed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    for rank, item in enumerate(ITEMS, 1)
]


def shown(width: int) -> str:
    out = StringIO()
    Console(file=out, width=width).print(table_of(ROWS), crop=False)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, PIPED])
def test_items_ranks_and_scores_are_whole_and_nothing_is_left_out(width: int) -> None:
    text = shown(width)
    begins = [line.split()[:2] for line in text.splitlines() if line[:4].strip().isdigit()]
    assert begins == [[str(rank), item] for rank, item in enumerate(ITEMS, 1)]
    assert all(f"{row.score:.3f}" in text for row in ROWS)
    assert "…" not in text


def test_what_is_piped_has_one_line_a_row() -> None:
    lines = shown(PIPED).splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert all(REASON in line for line in lines[1:])
