"""k recommendations for anybody: the statement for applications on the live project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from tests.serving.shop import DAY, Shop

K = 5
VIEWS = "select viewname from pg_views where schemaname = 'public'"
PEOPLE = ["ann", "buyer-1", "parent", "newcomer", "somebody", "nobody", ""]


@pytest.mark.parametrize("user", PEOPLE)
def test_everybody_gets_k_items_each_once_with_a_reason(shop: Shop, user: str) -> None:
    rows = shop.recommend(user, K)
    assert [row["rank"] for row in rows] == list(range(1, K + 1))
    assert len({row["item_id"] for row in rows}) == K
    for row in rows:
        assert row["name"] == row["item_id"].upper()
        assert row["reason_text"] and row["rec_id"] and row["computed_at"] is not None


@pytest.mark.parametrize("k", [1, 3, 9])
def test_k_is_what_was_asked_for(shop: Shop, k: int) -> None:
    assert len(shop.recommend("nobody", k)) == k


def test_a_known_person_gets_what_goes_with_their_items(shop: Shop) -> None:
    rows = shop.recommend("ann", K)
    assert (rows[0]["item_id"], rows[0]["source"], rows[0]["reason_item_id"]) == ("i1", "personal", "i0")
    assert rows[0]["reason_text"].endswith("I0")
    assert rows[0]["tier"] == 1


def test_an_action_changes_the_list(shop: Shop) -> None:
    before = shop.items("nobody", K)
    assert shop.sources("nobody", K) == ["trending"] * 3 + ["popular"] * 2
    shop.event("nobody", "view_item", "i1", DAY)
    shop.flush()
    rows = shop.recommend("nobody", K)
    assert (rows[0]["item_id"], rows[0]["source"]) == ("i0", "personal")
    assert [row["item_id"] for row in rows] != before


def test_a_person_without_actions_gets_what_the_segment_likes_first(shop: Shop) -> None:
    assert shop.sources("newcomer", K)[0] == "segment_popular"
    assert shop.items("newcomer", 1) == ["i5"]
    assert shop.items("newcomer", 4)[1:] == shop.items("nobody", 3)


def test_lower_tiers_follow_in_their_order(shop: Shop) -> None:
    order = ["personal", "segment_popular", "trending", "popular"]
    for user in PEOPLE:
        places = [order.index(source) for source in shop.sources(user, 7)]
        assert places == sorted(places), user


def test_an_item_that_sells_out_vanishes_at_once(shop: Shop) -> None:
    rows = shop.recommend("ann", K)
    gone = rows[0]["item_id"]
    list_before = shop.reader.execute(
        "select rec_id from serve_recommendations where user_id = 'ann' limit 1"
    ).fetchone()
    shop.put("inventory", item_id=gone, quantity=0)
    shop.flush()
    assert gone not in shop.items("ann", 9)
    assert len(shop.recommend("ann", K)) == K
    list_after = shop.reader.execute(
        "select rec_id from serve_recommendations where user_id = 'ann' limit 1"
    ).fetchone()
    assert list_after == list_before, "no list is recomputed for it"
    shop.put("inventory", item_id=gone, quantity=3)
    shop.flush()
    assert [row["item_id"] for row in shop.recommend("ann", K)] == [row["item_id"] for row in rows]


def test_an_item_without_a_stock_row_is_not_known_to_be_out_of_stock(shop: Shop) -> None:
    shop.writer.execute("delete from inventory where item_id = 'i1'")
    shop.flush()
    assert shop.items("ann", 1) == ["i1"]


@pytest.mark.parametrize("user", ["ann", "nobody"])
def test_an_inactive_item_is_not_offered(shop: Shop, user: str) -> None:
    gone = shop.items(user, 1)[0]
    shop.writer.execute("update items set is_active = false where item_id = %s", [gone])
    shop.flush()
    assert gone not in shop.items(user, 9)
    assert len(shop.items(user, 9)) == 8


@pytest.mark.parametrize("user", ["ann", "nobody"])
def test_an_excluded_item_is_not_offered(shop: Shop, user: str) -> None:
    gone = shop.items(user, 1)[0]
    shop.put("excluded_items", item_id=gone, reason="recalled")
    shop.flush()
    assert gone not in shop.items(user, 9)
    shop.writer.execute("delete from excluded_items")
    shop.flush()
    assert shop.items(user, 1) == [gone]


def test_what_a_person_bought_is_not_offered_in_any_tier(shop: Shop) -> None:
    assert {"i0", "i1"}.isdisjoint(shop.items("buyer-1", 9))
    assert len(shop.items("buyer-1", 9)) == 7
    shop.event("nobody", "purchase", "i7", DAY)
    shop.flush()
    assert "i7" not in shop.items("nobody", 9)


def test_what_people_buy_again_is_offered_again_in_time(shop: Shop) -> None:
    shop.put("category_rules", category="cake", is_repeatable=True, repeat_after_days=1)
    shop.flush()
    assert {"i0", "i1"} <= set(shop.items("buyer-1", 9))
    shop.writer.execute("update category_rules set repeat_after_days = 7")
    shop.flush()
    assert {"i0", "i1"}.isdisjoint(shop.items("buyer-1", 9))


@pytest.mark.parametrize("days", [999_999, 3_000_000, 2**31 - 1])
def test_more_days_than_time_has_mean_never_again(shop: Shop, days: int) -> None:
    shop.put("category_rules", category="cake", is_repeatable=True, repeat_after_days=days)
    shop.event("parent", "purchase", "i2", DAY, occurred_at="0900-01-01 00:00:00+00")
    shop.flush()
    assert len(shop.recommend("buyer-1", K)) == K
    assert {"i0", "i1"}.isdisjoint(shop.items("buyer-1", 9))
    assert "i2" not in shop.items("parent", 9)


@pytest.mark.parametrize("days", [-1, -(2**31)])
def test_days_below_none_mean_at_once(shop: Shop, days: int) -> None:
    shop.put("category_rules", category="cake", is_repeatable=True, repeat_after_days=days)
    shop.flush()
    assert {"i0", "i1"} <= set(shop.items("buyer-1", 9))


@pytest.mark.parametrize(
    "moment", ["infinity", "294276-12-31 23:59:00+00", "-infinity", "4000-01-01 00:00:00+00 BC"]
)
@pytest.mark.parametrize("column", ["occurred_at", "received_at"])
def test_an_event_at_no_moment_costs_itself_and_no_read(shop: Shop, column: str, moment: str) -> None:
    before = shop.items("ann", K)
    shop.event("ann", "view_item", "i7", DAY, **{column: moment})
    shop.flush()
    assert shop.items("ann", K) == before
    shop.reader.execute("select * from serve_recommendations").fetchall()
    with psycopg.connect(shop.dsns["owner"]) as owner:
        for view in owner.execute(VIEWS).fetchall():
            owner.execute(sql.SQL("select * from {}").format(sql.Identifier(*view)))
        [(reason,)] = owner.execute(
            "select reason from stg_events_quarantined where user_id = 'ann'"
        ).fetchall()
    assert reason in (f"{column} is no moment", "occurred_at is after received_at")


def test_a_person_who_bought_everything_gets_nothing_else(shop: Shop) -> None:
    for number in range(9):
        shop.event("ann", "purchase", f"i{number}", DAY)
    shop.flush()
    assert shop.recommend("ann", K) == []
    shop.item("new", "jam")
    shop.flush()
    assert shop.items("ann", K) == ["new"]


def test_a_refund_makes_an_item_possible_again(shop: Shop) -> None:
    shop.event("nobody", "purchase", "i7", 2 * DAY, quantity=1)
    shop.event("nobody", "refund", "i7", DAY, quantity=1)
    shop.flush()
    assert "i7" in shop.items("nobody", 9)


def test_an_erased_person_is_an_unknown_one_and_leaves_nothing(shop: Shop) -> None:
    shop.put("erased_users", user_id="ann", erased_at=shop.now)
    shop.flush()
    assert shop.items("ann", K) == shop.items("nobody", K)
    assert set(shop.sources("ann", K)) == {"trending", "popular"}
    shop.event("ann", "view_item", "i0", DAY)
    shop.flush()
    assert set(shop.sources("ann", K)) == {"trending", "popular"}


def test_an_erased_person_does_not_come_back_when_the_link_goes(shop: Shop) -> None:
    shop.event(None, "purchase", "i4", DAY, anonymous_id="phone", session_id="visit")
    shop.put("identities", anonymous_id="phone", user_id="ida")
    shop.flush()
    assert "i4" not in shop.items("ida", 9)
    shop.put("erased_users", user_id="ida", erased_at=shop.now)
    shop.writer.execute("delete from identities")
    shop.event(None, "view_item", "i0", DAY, anonymous_id="phone", session_id="visit")
    shop.flush()
    for nobody in ("ida", "phone"):
        assert set(shop.sources(nobody, K)) == {"trending", "popular"}
    shop.put("identities", anonymous_id="phone", user_id="ann")
    shop.flush()
    assert "i4" in shop.items("ann", 9), "what she bought is not ann's either"


def test_visitors_whom_a_tracker_calls_nothing_are_not_one_person(shop: Shop) -> None:
    for visitor, item in (("phone", "i0"), ("tablet", "i5")):
        shop.event("", "purchase", item, DAY, anonymous_id=visitor, session_id="")
    shop.put("identities", anonymous_id="phone", user_id="ida")
    shop.flush()
    assert ["i0" in shop.items(who, 9) for who in ("ida", "phone", "tablet", "")] == [False, True, True, True]
    assert ["i5" in shop.items(who, 9) for who in ("ida", "phone", "tablet", "")] == [True, True, False, True]


def test_a_blend_that_fails_leaves_the_order_of_the_sql_score(shop: Shop, home: Path) -> None:
    """The vectors of a version are damaged: lists of that variant are served, and say that they are a fallback."""
    expected = shop.items("ann", 2)
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / "damaged.npz").write_bytes(b"no array")
    shop.put("ranking_models", variant="control", model_version="damaged")
    shop.flush()
    shop.event("ann", "view_item", "i0", DAY / 2)
    shop.flush()
    rows = shop.recommend("ann", K)
    assert rows[0]["source"] == "sql_fallback"
    assert [row["item_id"] for row in rows][:2] == expected
    assert [row["rank"] for row in rows] == list(range(1, K + 1))


def test_vectors_pull_near_items_up(shop: Shop, home: Path) -> None:
    (home / "models").mkdir(exist_ok=True)
    near = {"i0": (1.0, 0.0), "i1": (0.0, 1.0), "i2": (0.0, 1.0), "i3": (1.0, 0.1)}
    np.savez(
        home / "models" / "near.npz", item_ids=np.array(list(near)), vectors=np.array(list(near.values()))
    )
    for item in ("i2", "i3"):
        shop.event("crowd", "view_item", item, 4 * DAY)  # candidates by category
    shop.put("ranking_models", variant="control", model_version="near")
    shop.put("ranking_weights", variant="control", strategy="embedding", weight=50.0)
    shop.flush()
    shop.event("ann", "view_item", "i0", DAY / 2)
    shop.flush()
    first, second = shop.recommend("ann", 2)
    assert (first["item_id"], second["item_id"]) == ("i0", "i3"), (
        "nearest is what ann looked at and did not buy"
    )
    assert (second["source"], second["model_version"]) == ("personal", "near")


def test_other_serving_views_answer_by_their_key(shop: Shop) -> None:
    similar = shop.reader.execute(
        "select item_id, strategy from serve_similar_items where shown_with_item_id = 'i0' order by rank"
    ).fetchall()
    assert similar[0] == {"item_id": "i1", "strategy": "covisitation"}
    together = shop.reader.execute(
        "select item_id, reason_text from serve_bought_together where shown_with_item_id = 'i1' order by rank"
    ).fetchall()
    assert together[0]["item_id"] == "i0"
    trending = shop.reader.execute(
        "select item_id from serve_trending_now where scope = '*' order by rank"
    ).fetchall()
    assert {row["item_id"] for row in trending} == {"i6", "i7", "i8"}
