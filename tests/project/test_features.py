"""What is known of persons and items."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.project.shop import Shop

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def recent(shop: Shop, user: str = "ann") -> list[str]:
    shop.refresh()
    found = shop.values("select item_ids from feat_user_recent where user_id = %s", user)
    return list(found[0]) if found else []


def test_recent_items_are_distinct_and_newest_first(shop: Shop) -> None:
    for item, ago in (("a", 9), ("b", 8), ("a", 7), ("c", 6)):
        shop.event("ann", "view_item", item, ago * MINUTE)
    assert recent(shop) == ["c", "a", "b"]


def test_recent_items_of_one_moment_are_ordered_by_id(shop: Shop) -> None:
    for item in ("b", "a", "c"):
        shop.event("ann", "purchase", item, MINUTE)
    assert recent(shop) == ["a", "b", "c"]


def test_the_eleventh_newest_item_is_forgotten(shop: Shop) -> None:
    for number in range(11):
        shop.event("ann", "view_item", f"i{number:02}", (20 - number) * MINUTE)
    assert recent(shop) == [f"i{number:02}" for number in range(10, 0, -1)]


def test_shown_items_and_searches_are_not_acts(shop: Shop) -> None:
    shop.event("ann", "view_item_list", "a", MINUTE)
    shop.event("ann", "search", None, MINUTE, search_query="tea")
    assert recent(shop) == []


def test_an_item_put_back_is_no_longer_of_interest(shop: Shop) -> None:
    shop.event("ann", "add_to_cart", "a", 2 * MINUTE)
    shop.event("ann", "remove_from_cart", "a", MINUTE)
    shop.event("ann", "view_item", "b", MINUTE)
    assert recent(shop) == ["b"]


def test_every_act_moves_acted_at_even_if_the_items_stay(shop: Shop) -> None:
    for ago in (5, 4):
        shop.event("ann", "view_item", "a", ago * MINUTE)
        shop.refresh()
        assert shop.values("select acted_at from feat_user_recent") == [shop.now - ago * MINUTE]


def test_a_refunded_item_is_not_a_purchase(shop: Shop) -> None:
    shop.event("ann", "purchase", "a", DAY, quantity=2)
    shop.event("ann", "purchase", "b", DAY, quantity=2)
    shop.event("ann", "refund", "b", HOUR, quantity=2)
    shop.refresh()
    rows = shop.rows("select item_id, units, last_purchased_at from feat_user_purchases")
    assert rows == [{"item_id": "a", "units": 2, "last_purchased_at": shop.now - DAY}]


def test_pairs_are_counted_once_per_session(shop: Shop) -> None:
    shop.event("ann", "view_item", "b", 5 * MINUTE, session_id="s1")
    shop.event("ann", "view_item", "a", 4 * MINUTE, session_id="s1")
    shop.event("ann", "view_item", "b", 3 * MINUTE, session_id="s1")
    shop.basket("s2", "a", "b")
    shop.refresh()
    assert shop.rows("select * from feat_item_pairs") == [
        {"item_a": "a", "item_b": "b", "sessions": 2, "orders": 1}
    ]
    assert shop.rows("select * from feat_item_counts order by item_id") == [
        {"item_id": "a", "sessions": 2, "orders": 1},
        {"item_id": "b", "sessions": 2, "orders": 1},
    ]


def test_items_a_day_apart_in_a_session_are_no_pair(shop: Shop) -> None:
    shop.event("ann", "view_item", "a", 25 * HOUR, session_id="s")
    shop.event("ann", "view_item", "b", 2 * HOUR, session_id="s")
    shop.event("ann", "view_item", "c", HOUR, session_id="s")
    shop.refresh()
    assert shop.rows("select item_a, item_b from feat_item_pairs order by item_a, item_b") == [
        {"item_a": "a", "item_b": "b"},
        {"item_a": "b", "item_b": "c"},
    ]


def test_sessions_before_the_window_do_not_count(shop: Shop) -> None:
    shop.basket("old", "a", "b", ago=91 * DAY)
    shop.basket("new", "a", "b", ago=89 * DAY)
    shop.refresh()
    assert shop.values("select sessions from feat_item_pairs") == [1]


def test_a_long_session_keeps_its_first_thirty_items(shop: Shop) -> None:
    for number in range(32):
        shop.event("ann", "view_item", f"i{number:02}", (60 - number) * MINUTE, session_id="s")
    shop.refresh()
    kept = shop.values("select item_id from feat_session_items order by item_id")
    assert kept == [f"i{number:02}" for number in range(30)]


def test_a_pair_scores_its_shrunk_cosine(shop: Shop) -> None:
    for session in ("1", "2"):
        shop.basket(session, "a", "b")
    for session in ("3", "4", "5", "6", "7", "8"):
        shop.basket(session, "a")
    shop.refresh()
    # together 2, a 8, b 2: 2 / sqrt(16) = 0.5, times 2 / (2 + 10)
    assert shop.rows("select * from feat_pair_scores") == [
        {"item_a": "a", "item_b": "b", "covisitation": 0.083333, "bought_together": 0.083333}
    ]


def test_a_pair_seen_once_has_no_score(shop: Shop) -> None:
    shop.basket("1", "a", "b")
    shop.refresh()
    assert shop.rows("select * from feat_pair_scores") == []


def test_a_pair_seen_twice_and_bought_once_has_one_score(shop: Shop) -> None:
    shop.basket("1", "a", "b")
    for item in ("a", "b"):
        shop.event("ann", "view_item", item, DAY, session_id="2")
    shop.refresh()
    assert shop.values("select bought_together from feat_pair_scores") == [None]
    assert shop.values("select item_id from i2i_covisitation order by item_id") == ["a", "b"]
    assert shop.values("select item_id from i2i_bought_together") == []


def test_neighbours_are_best_first_and_in_both_directions(shop: Shop) -> None:
    for session in ("1", "2", "3"):
        shop.basket(session, "a", "b")
    for session in ("4", "5"):
        shop.basket(session, "a", "c")
    shop.refresh()
    rows = shop.rows("select item_id, neighbour_ids, scores from i2i_covisitation order by item_id")
    assert [(row["item_id"], row["neighbour_ids"]) for row in rows] == [
        ("a", ["b", "c"]),
        ("b", ["a"]),
        ("c", ["a"]),
    ]
    assert rows[0]["scores"] == sorted(rows[0]["scores"], reverse=True)
    assert rows[0]["scores"][0] == rows[1]["scores"][0]


def test_a_list_of_neighbours_ends_at_fifty(shop: Shop) -> None:
    for number in range(52):
        for copy in ("x", "y"):
            shop.basket(f"{copy}{number}", "hub", f"i{number:02}")
    shop.refresh()
    [neighbours] = shop.values("select neighbour_ids from i2i_covisitation where item_id = 'hub'")
    assert neighbours == [f"i{number:02}" for number in range(50)]


def test_one_person_cannot_make_an_item_popular(shop: Shop) -> None:
    for _ in range(5):
        shop.event("fan", "purchase", "a", DAY)
    for user in ("ann", "bob"):
        shop.event(user, "purchase", "b", DAY)
    shop.refresh()
    rows = shop.rows("select item_id, users, buyers, popularity from feat_item_popularity order by item_id")
    assert rows == [
        {"item_id": "a", "users": 1, "buyers": 1, "popularity": 10},
        {"item_id": "b", "users": 2, "buyers": 2, "popularity": 12},
    ]


def test_popular_lists_hold_active_items_of_the_catalogue(shop: Shop) -> None:
    shop.item("a", "cake")
    shop.item("b", "tea")
    shop.item("c", "tea", is_active=False)
    for item in ("b", "c", "gone"):
        shop.event("ann", "purchase", item, DAY)
    shop.refresh()
    assert shop.values("select item_ids from feat_segment_popular where segment = '*'") == [["b", "a"]]
    assert shop.rows("select category, item_ids from feat_category_popular") == [
        {"category": "tea", "item_ids": ["b"]}
    ]


def test_a_segment_has_a_popular_list_of_its_own(shop: Shop) -> None:
    shop.item("a")
    shop.item("b")
    shop.put("users", user_id="ann", segment="family")
    shop.event("ann", "purchase", "b", DAY)
    for user in ("bob", "cid"):
        shop.event(user, "purchase", "a", DAY)
    shop.refresh()
    rows = shop.rows("select segment, item_ids from feat_segment_popular order by segment")
    assert [(row["segment"], row["item_ids"]) for row in rows] == [("*", ["a", "b"]), ("family", ["b"])]


@pytest.mark.parametrize(
    ("ago", "trend"), [(30 * MINUTE, 6), (5 * HOUR, 3), (23 * HOUR, 1), (25 * HOUR, None)]
)
def test_a_trend_falls_in_steps(shop: Shop, ago: timedelta, trend: int | None) -> None:
    shop.event("ann", "view_item", "a", ago)
    shop.refresh()
    assert shop.values("select trend from feat_item_trend") == ([] if trend is None else [trend])


def test_a_person_counts_once_in_a_trend(shop: Shop) -> None:
    for _ in range(3):
        shop.event("ann", "view_item", "a", 30 * MINUTE)
    shop.event("bob", "view_item", "a", 5 * HOUR)
    shop.refresh()
    assert shop.rows("select trend, users_24h from feat_item_trend") == [{"trend": 9, "users_24h": 2}]


def test_trending_lists_are_by_category_and_overall(shop: Shop) -> None:
    shop.item("a", "cake")
    shop.item("b", "tea")
    shop.event("ann", "view_item", "a", 5 * HOUR)
    shop.event("ann", "view_item", "b", MINUTE)
    shop.refresh()
    rows = shop.rows("select scope, item_ids, scores from feat_trending order by scope")
    assert rows == [
        {"scope": "*", "item_ids": ["b", "a"], "scores": [6.0, 3.0]},
        {"scope": "cake", "item_ids": ["a"], "scores": [3.0]},
        {"scope": "tea", "item_ids": ["b"], "scores": [6.0]},
    ]


def test_staples_are_what_a_person_bought_more_than_once(shop: Shop) -> None:
    for item, times in (("milk", 3), ("bread", 2), ("ring", 1)):
        for number in range(times):
            shop.event("ann", "purchase", item, (number + 1) * DAY)
    shop.refresh()
    assert shop.rows("select user_id, item_ids, scores from feat_user_staples") == [
        {"user_id": "ann", "item_ids": ["milk", "bread"], "scores": [0.6, 0.5]}
    ]
