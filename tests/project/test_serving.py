"""What is recommended, and what reading a list takes into account."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.project.shop import Shop

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """Cakes a-c bought together twice each with a, tea t bought alone; ann looked at a."""
    for item in ("a", "b", "c"):
        shop.item(item, "cake")
    shop.item("t", "tea")
    for session in ("1", "2", "3"):
        shop.basket(session, "a", "b")
    for session in ("4", "5"):
        shop.basket(session, "a", "c")
    shop.basket("6", "t")
    shop.event("ann", "view_item", "a", 5 * MINUTE)
    shop.refresh()
    return shop


def served(shop: Shop, user: str = "ann") -> list[dict[str, Any]]:
    return shop.rows("select * from serve_recommendations where user_id = %s order by rank", user)


def items(shop: Shop, user: str = "ann") -> list[str]:
    return [row["item_id"] for row in served(shop, user)]


def test_what_others_bought_with_a_viewed_item_comes_first(stocked: Shop) -> None:
    first = served(stocked)[0]
    assert (first["item_id"], first["name"], first["rank"], first["slot"]) == ("b", "B", 1, 1)
    assert (first["strategy"], first["reason_item_id"]) == ("covisitation", "a")
    assert first["reason_text"] == "Often chosen together with A"
    assert first["computed_at"] == stocked.now - 5 * MINUTE
    assert (first["source"], first["variant"], first["tier"]) == ("personal", "control", 1)


def test_scores_fall_along_a_list_and_no_item_comes_twice(stocked: Shop) -> None:
    rows = served(stocked)
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len({row["item_id"] for row in rows}) == len(rows)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_an_action_changes_the_list_and_its_identity(stocked: Shop) -> None:
    before = served(stocked)
    stocked.event("ann", "view_item", "t", MINUTE)
    stocked.refresh()
    after = served(stocked)
    assert {row["rec_id"] for row in before}.isdisjoint(row["rec_id"] for row in after)
    assert len({row["rec_id"] for row in after}) == 1
    assert after[0]["computed_at"] == stocked.now - MINUTE


def test_a_list_without_an_action_keeps_its_identity(stocked: Shop) -> None:
    before = served(stocked)
    stocked.basket("7", "a", "c", ago=HOUR)
    stocked.refresh()
    assert {row["rec_id"] for row in served(stocked)} == {row["rec_id"] for row in before}


def test_reading_leaves_out_what_is_sold_out_and_closes_the_rank(stocked: Shop) -> None:
    assert items(stocked)[:2] == ["b", "c"]
    stocked.put("inventory", item_id="b", quantity=0)
    first = served(stocked)[0]
    assert (first["item_id"], first["rank"], first["slot"]) == ("c", 1, 2)


def test_an_item_without_a_stock_row_is_not_sold_out(stocked: Shop) -> None:
    stocked.connection.execute("delete from inventory")
    assert items(stocked)[:2] == ["b", "c"]


@pytest.mark.parametrize("active", [False, None])
def test_reading_leaves_out_inactive_items(stocked: Shop, active: bool | None) -> None:
    stocked.item("b", is_active=active)
    assert "b" not in items(stocked)


def test_reading_leaves_out_excluded_items(stocked: Shop) -> None:
    stocked.put("excluded_items", item_id="b", reason="recall")
    assert "b" not in items(stocked)


def test_reading_leaves_out_an_erased_person(stocked: Shop) -> None:
    stocked.put("erased_users", user_id="ann", erased_at=stocked.now)
    assert items(stocked) == []


def test_an_erased_person_leaves_every_view(stocked: Shop) -> None:
    stocked.put("erased_users", user_id="ann", erased_at=stocked.now)
    stocked.refresh()
    for view in ("stg_events", "feat_user_items", "feat_user_recent", "rank_user_list"):
        assert stocked.rows(f"select 1 from {view} where user_id = 'ann'") == []


def test_a_bought_item_is_not_offered_again(stocked: Shop) -> None:
    stocked.event("ann", "purchase", "b", MINUTE)
    stocked.refresh()
    assert "b" not in items(stocked)


def test_a_refunded_item_is_offered_again(stocked: Shop) -> None:
    stocked.event("ann", "purchase", "b", 2 * MINUTE)
    stocked.event("ann", "refund", "b", MINUTE)
    stocked.event("ann", "view_item", "a", MINUTE)
    stocked.refresh()
    assert "b" in items(stocked)


@pytest.mark.parametrize(
    ("rule", "is_offered"),
    [
        (None, False),
        ({"is_repeatable": False, "repeat_after_days": 0}, False),
        ({"is_repeatable": True, "repeat_after_days": 7}, True),
        ({"is_repeatable": True, "repeat_after_days": 14}, False),
        ({"is_repeatable": True, "repeat_after_days": None}, True),
    ],
)
def test_a_repeatable_category_offers_again_after_its_days(
    stocked: Shop, rule: dict[str, Any] | None, is_offered: bool
) -> None:
    stocked.event("ann", "purchase", "b", 10 * DAY)
    stocked.refresh()
    if rule is not None:
        stocked.put("category_rules", category="cake", **rule)
    assert ("b" in items(stocked)) is is_offered


def test_a_staple_is_recommended_to_its_buyer(stocked: Shop) -> None:
    stocked.put("category_rules", category="tea", is_repeatable=True, repeat_after_days=7)
    for days in (20, 10):
        stocked.event("ann", "purchase", "t", days * DAY)
    stocked.refresh()
    [row] = [row for row in served(stocked) if row["item_id"] == "t"]
    assert (row["strategy"], row["reason_text"]) == ("buy_again", "You buy this regularly")


def test_nothing_is_explained_by_itself(stocked: Shop) -> None:
    rows = stocked.rows("select item_id, strategy, reason_item_id from serve_recommendations")
    assert all(row["item_id"] != row["reason_item_id"] or row["strategy"] == "buy_again" for row in rows)


def test_a_person_with_ten_known_items_is_in_the_collaborative_tier(stocked: Shop) -> None:
    for number in range(9):
        stocked.event("ann", "view_item", f"x{number}", MINUTE)
    stocked.refresh()
    assert {row["tier"] for row in served(stocked)} == {2}


def test_embedding_neighbours_are_candidates(stocked: Shop) -> None:
    stocked.item("near", "jam")
    stocked.put("embedding_neighbours", item_id="a", model_version="v1", neighbour_ids=["near"], scores=[0.9])
    stocked.refresh()
    [row] = [row for row in served(stocked) if row["item_id"] == "near"]
    assert (row["strategy"], row["reason_item_id"], row["reason_text"]) == ("embedding", "a", "Similar to A")


def test_weights_of_the_variant_decide_the_order(stocked: Shop) -> None:
    stocked.item("near", "jam")
    stocked.put("embedding_neighbours", item_id="a", model_version="v1", neighbour_ids=["near"], scores=[0.9])
    stocked.put("ranking_models", variant="control", model_version="v1")
    stocked.weigh(embedding=5.0)
    stocked.refresh()
    rows = served(stocked)
    assert (rows[0]["item_id"], rows[0]["strategy"]) == ("near", "embedding")
    assert {row["model_version"] for row in rows} == {"v1"}
    stocked.weigh(embedding=0.0)
    stocked.refresh()
    rows = served(stocked)
    assert rows[0]["item_id"] == "b"
    assert "embedding" not in {row["strategy"] for row in rows}


def test_a_failed_blend_is_served_in_the_order_of_the_sql_score(stocked: Shop) -> None:
    stocked.event("ann", "view_item", "a", MINUTE)
    stocked.refresh(blend_fails=True)
    rows = served(stocked)
    assert {row["source"] for row in rows} == {"sql_fallback"}
    assert [row["item_id"] for row in rows][:2] == ["b", "c"]
    assert rows[0]["reason_text"] == "Often chosen together with A"
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_a_segments_favourites_are_candidates_of_its_people(stocked: Shop) -> None:
    stocked.item("toy", "toys")
    stocked.put("users", user_id="ann", segment="family")
    stocked.put("users", user_id="parent", segment="family")
    stocked.event("parent", "purchase", "toy", 30 * DAY)
    stocked.refresh()
    [row] = [row for row in served(stocked) if row["item_id"] == "toy"]
    assert (row["strategy"], row["reason_item_id"]) == ("popularity", None)


def test_a_trending_item_of_the_category_is_a_candidate(stocked: Shop) -> None:
    stocked.item("new", "cake")
    stocked.weigh(popularity=0.0, session_affinity=0.0)
    for user in ("u1", "u2"):
        stocked.event(user, "view_item", "new", MINUTE)
    stocked.refresh()
    [row] = [row for row in served(stocked) if row["item_id"] == "new"]
    assert (row["strategy"], row["reason_item_id"]) == ("trending", "a")


def test_similar_items_go_on_with_the_embedding(stocked: Shop) -> None:
    stocked.put(
        "embedding_neighbours", item_id="a", model_version="v1", neighbour_ids=["b", "t"], scores=[0.9, 0.8]
    )
    rows = stocked.rows("select * from serve_similar_items where shown_with_item_id = 'a' order by rank")
    assert [(row["rank"], row["item_id"], row["strategy"]) for row in rows] == [
        (1, "b", "covisitation"),
        (2, "c", "covisitation"),
        (3, "t", "embedding"),
    ]
    assert rows[2]["reason_text"] == "Similar to A"
    assert len({row["rec_id"] for row in rows}) == 1


def test_bought_together_leaves_out_what_is_sold_out(stocked: Shop) -> None:
    stocked.put("inventory", item_id="b", quantity=0)
    rows = stocked.rows("select * from serve_bought_together where shown_with_item_id = 'a'")
    assert [(row["rank"], row["slot"], row["item_id"]) for row in rows] == [(1, 2, "c")]
    assert rows[0]["reason_text"] == "Often bought together with A"


def test_trending_now_is_by_scope(stocked: Shop) -> None:
    stocked.event("bob", "view_item", "t", MINUTE)
    stocked.refresh()
    rows = stocked.rows("select scope, rank, item_id from serve_trending_now order by scope, rank")
    assert [tuple(row.values()) for row in rows] == [
        ("*", 1, "a"),
        ("*", 2, "t"),
        ("cake", 1, "a"),
        ("tea", 1, "t"),
    ]


def test_the_treatment_share_assigns_by_hash(stocked: Shop) -> None:
    rows = stocked.rows("select user_id, bucket, variant from exp_assignment")
    assert {row["variant"] for row in rows} == {"control"}
    assert all(0 <= row["bucket"] < 100 for row in rows)
    assert len({row["bucket"] for row in rows}) > 1
