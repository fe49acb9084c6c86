"""What the blend recommends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.vectors import save
from udfs.blend_v1 import LIST_LENGTH, RecommendedBefore, blend_v1


def blend(
    rows: Sequence[dict[str, Any]], weight: float | None = 1.0, version: str | None = None
) -> list[RecommendedBefore]:
    """Blend items given as dicts: item, sql (default 1), embedding, recency (0), category, brand (null)."""
    return blend_v1(
        [row["item"] for row in rows],
        [row.get("sql", 1.0) for row in rows],
        [row.get("embedding", 0.0) for row in rows],
        [row.get("recency", 0.0) for row in rows],
        [row.get("category") for row in rows],
        [row.get("brand") for row in rows],
        [row.get("strategy", "covisitation") for row in rows],
        [row.get("reason") for row in rows],
        weight,
        version,
    )


def ids(recommended: list[RecommendedBefore]) -> list[str]:
    return [row["item_id"] for row in recommended]


def test_without_vectors_the_sql_score_decides() -> None:
    recommended = blend(
        [{"item": "a", "sql": 0.2}, {"item": "b", "sql": 0.9, "strategy": "trending", "reason": "r"}]
    )
    assert ids(recommended) == ["b", "a"]
    assert recommended[0] == {"item_id": "b", "score": 0.9, "strategy": "trending", "reason_item_id": "r"}


def test_equal_scores_order_by_item_id() -> None:
    assert ids(blend([{"item": "b"}, {"item": "c"}, {"item": "a"}])) == ["a", "b", "c"]


def test_recent_items_without_a_score_are_not_recommended() -> None:
    assert ids(blend([{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a"}])) == ["a"]


def test_a_list_ends_at_fifty() -> None:
    assert len(blend([{"item": f"i{number}"} for number in range(80)])) == LIST_LENGTH


def test_no_candidates_make_an_empty_list() -> None:
    assert blend([]) == []


def test_what_is_close_to_the_user_comes_first(models: Path) -> None:
    save(models, "v1", seen=[1, 0], near=[2, 0.1], far=[0, 5])
    rows = [
        {"item": "seen", "sql": 0.0, "recency": 1.0},
        {"item": "far", "sql": 0.5},
        {"item": "near", "sql": 0.4},
    ]
    recommended = blend(rows, 1.0, "v1")
    assert ids(recommended) == ["near", "far"]
    assert recommended[0]["score"] == pytest.approx(0.4 + 0.998752, abs=1e-6)
    assert recommended[1]["score"] == 0.5


def test_the_newest_item_weighs_most_in_the_users_vector(models: Path) -> None:
    save(models, "v1", old=[1, 0], new=[0, 1], like_old=[1, 0], like_new=[0, 1])
    rows = [
        {"item": "old", "sql": 0.0, "recency": 0.5},
        {"item": "new", "sql": 0.0, "recency": 1.0},
        {"item": "like_old"},
        {"item": "like_new"},
    ]
    assert ids(blend(rows, 1.0, "v1")) == ["like_new", "like_old"]


def test_the_cosine_takes_the_place_of_the_embedding_score(models: Path) -> None:
    save(models, "v1", seen=[1, 0], a=[1, 0])
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.7, "embedding": 0.3}]
    assert blend(rows, 0.5, "v1")[0]["score"] == pytest.approx(0.7 - 0.3 + 0.5)


def test_an_item_without_a_vector_keeps_its_embedding_score(models: Path) -> None:
    save(models, "v1", seen=[1, 0])
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.7, "embedding": 0.3}]
    assert blend(rows, 0.5, "v1")[0]["score"] == 0.7


def test_an_opposite_item_is_not_pushed_below_its_sql_score(models: Path) -> None:
    save(models, "v1", seen=[1, 0], a=[-1, 0])
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.7}]
    assert blend(rows, 0.5, "v1")[0]["score"] == 0.7


@pytest.mark.parametrize("version", [None, "", "none", "../secret", "v1/../v1"])
def test_a_missing_or_strange_version_means_no_vectors(models: Path, version: str | None) -> None:
    np.savez(models.parent / "secret.npz", item_ids=np.array(["a"]), vectors=np.ones((1, 2)))
    save(models, "v1", seen=[1, 0], a=[1, 0])
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.7}]
    assert blend(rows, 1.0, version)[0]["score"] == 0.7


def test_a_version_that_arrives_later_is_found(models: Path) -> None:
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.5}]
    assert blend(rows, 1.0, "v2")[0]["score"] == 0.5
    save(models, "v2", seen=[1, 0], a=[1, 0])
    assert blend(rows, 1.0, "v2")[0]["score"] == 1.5


def test_a_version_is_read_once_and_two_stay_in_memory(models: Path) -> None:
    rows = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.5}]
    for version in ("v1", "v2", "v3"):
        save(models, version, seen=[1, 0], a=[1, 0])
        blend(rows, 1.0, version)
        (models / f"{version}.npz").unlink()
    assert blend(rows, 1.0, "v3")[0]["score"] == 1.5
    assert blend(rows, 1.0, "v2")[0]["score"] == 1.5
    assert blend(rows, 1.0, "v1")[0]["score"] == 0.5


def test_a_user_or_an_item_with_a_zero_vector_has_no_cosine(models: Path) -> None:
    save(models, "v1", seen=[0, 0], other=[1, 0], a=[0, 0])
    lost = [{"item": "seen", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.5}]
    found = [{"item": "other", "sql": 0.0, "recency": 1.0}, {"item": "a", "sql": 0.5}]
    assert blend(lost, 1.0, "v1")[0]["score"] == 0.5
    assert blend(found, 1.0, "v1")[0]["score"] == 0.5


def test_repeated_categories_and_brands_lose_by_the_stated_factor() -> None:
    rows = [{"item": item, "category": "tea"} for item in "abc"]
    assert [row["score"] for row in blend(rows)] == [1.0, 0.625, 0.4375]
    rows = [{"item": item, "category": "tea", "brand": "x"} for item in "ab"]
    assert [row["score"] for row in blend(rows)] == [1.0, 0.390625]


def test_variety_lets_a_weaker_item_of_another_category_pass() -> None:
    rows = [
        {"item": "a", "sql": 1.0, "category": "tea"},
        {"item": "b", "sql": 0.9, "category": "tea"},
        {"item": "c", "sql": 0.6, "category": "jam"},
    ]
    assert ids(blend(rows)) == ["a", "c", "b"]


def test_items_without_category_and_brand_are_not_alike() -> None:
    assert [row["score"] for row in blend([{"item": "a"}, {"item": "b"}])] == [1.0, 1.0]


def test_arrays_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        blend_v1(["a"], [1.0, 2.0], [0.0], [0.0], [None], [None], ["x"], [None], 1.0, None)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "item": st.text("abcdefgh", min_size=1, max_size=3),
            "sql": st.integers(0, 20).map(lambda value: value / 10),
            "category": st.sampled_from([None, "tea", "jam"]),
            "brand": st.sampled_from([None, "x", "y"]),
        }
    ),
    max_size=60,
    unique_by=lambda row: row["item"],
)


def choose_one_by_one(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """The definition of the variety rule: the best of all that are left, again and again."""
    left, chosen = [row for row in rows if row["sql"] > 0], []
    taken: list[dict[str, Any]] = []
    while left and len(chosen) < LIST_LENGTH:

        def worth(row: dict[str, Any]) -> float:
            factor = 1.0
            for kind in ("category", "brand"):
                if row[kind] is not None:
                    repeats = sum(other[kind] == row[kind] for other in taken)
                    factor *= 0.75 * 0.5**repeats + 0.25
            return round(row["sql"] * factor, 6)

        best = min(left, key=lambda row: (-worth(row), row["item"]))
        chosen.append((best["item"], worth(best)))
        taken.append(best)
        left.remove(best)
    return chosen


@given(ROWS)
def test_the_list_is_the_greedy_choice(rows: list[dict[str, Any]]) -> None:
    recommended = blend(rows)
    assert [(row["item_id"], row["score"]) for row in recommended] == choose_one_by_one(rows)


@given(ROWS)
def test_scores_fall_and_items_are_distinct(rows: list[dict[str, Any]]) -> None:
    recommended = blend(rows)
    scores = [row["score"] for row in recommended]
    assert scores == sorted(scores, reverse=True)
    assert len(set(ids(recommended))) == len(recommended)
