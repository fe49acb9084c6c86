"""The statement for applications, as `millstream recommend --statement psql` prints it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from millstream.recommend.statement import statement
from tests.project.shop import Shop

DAY = timedelta(days=1)
K = 5


@pytest.fixture
def shop_with_statement(shop: Shop) -> Shop:
    """Nine items in two categories; i0 and i1 bought together; three items trending; ann has a list."""
    for number in range(9):
        shop.item(f"i{number}", "cake" if number < 4 else "tea")
    for session in ("1", "2"):
        shop.basket(session, "i0", "i1")
    for number in (6, 7, 8):
        shop.event("somebody", "view_item", f"i{number}", timedelta(minutes=number))
    shop.event("ann", "view_item", "i0", DAY)
    shop.refresh()
    shop.connection.execute(statement("psql"))
    return shop


def recommend(shop: Shop, user: str, k: int = K) -> list[dict[str, Any]]:
    cursor = shop.connection.execute("select 1")
    return cursor.execute(f"execute recommend ('{user}', {k})").fetchall()


def sources(rows: list[dict[str, Any]]) -> list[str]:
    return [row["source"] for row in rows]


@pytest.mark.parametrize("user", ["ann", "nobody", "", "somebody", "buyer-1"])
def test_everybody_gets_k_items_each_once(shop_with_statement: Shop, user: str) -> None:
    rows = recommend(shop_with_statement, user)
    assert [row["rank"] for row in rows] == list(range(1, K + 1))
    assert len({row["item_id"] for row in rows}) == K
    assert all(row["name"] and row["reason_text"] and row["rec_id"] for row in rows)


def test_a_known_person_gets_the_personal_list(shop_with_statement: Shop) -> None:
    rows = recommend(shop_with_statement, "ann", 3)
    assert sources(rows) == ["personal"] * 3
    assert rows[0]["item_id"] == "i1"


def test_an_unknown_person_gets_what_is_trending_then_popular(shop_with_statement: Shop) -> None:
    rows = recommend(shop_with_statement, "nobody")
    assert sources(rows) == ["trending"] * 3 + ["popular"] * 2
    assert [row["item_id"] for row in rows[3:]] == ["i0", "i1"]
    assert {row["tier"] for row in rows} == {0}


def test_a_person_without_acts_gets_what_the_segment_likes(shop_with_statement: Shop) -> None:
    shop = shop_with_statement
    shop.put("users", user_id="new", segment="family")
    shop.put("users", user_id="parent", segment="family")
    shop.event("parent", "purchase", "i5", DAY)
    shop.refresh()
    rows = recommend(shop, "new")
    assert sources(rows) == ["segment_popular", "trending", "trending", "trending", "popular"]
    assert rows[0]["item_id"] == "i5"


def test_a_short_personal_list_is_filled_up(shop_with_statement: Shop) -> None:
    shop = shop_with_statement
    personal = shop.values("select item_id from serve_recommendations where user_id = 'ann' order by rank")
    for item in personal[2:]:
        shop.put("inventory", item_id=item, quantity=0)
    shop.item("extra", "jam")
    shop.connection.execute("refresh materialized view feat_segment_popular")
    rows = recommend(shop, "ann", 3)
    assert [(row["item_id"], row["source"]) for row in rows] == [
        (personal[0], "personal"),
        (personal[1], "personal"),
        ("extra", "popular"),
    ]


def test_no_tier_offers_what_the_person_bought(shop_with_statement: Shop) -> None:
    rows = recommend(shop_with_statement, "buyer-1", 20)
    assert {"i0", "i1"}.isdisjoint(row["item_id"] for row in rows)
    assert len(rows) == 7


def test_an_erased_person_is_an_unknown_one(shop_with_statement: Shop) -> None:
    shop = shop_with_statement
    shop.put("erased_users", user_id="ann", erased_at=shop.now)
    assert [row["item_id"] for row in recommend(shop, "ann")] == [
        row["item_id"] for row in recommend(shop, "nobody")
    ]


def test_a_catalogue_without_events_is_recommended(shop_with_statement: Shop) -> None:
    shop = shop_with_statement
    shop.connection.execute("delete from events")
    shop.refresh()
    assert [row["item_id"] for row in recommend(shop, "ann")] == ["i0", "i1", "i2", "i3", "i4"]
