"""What the blend recommends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.vectors import save
from udfs import blend_v2 as module
from udfs.blend_v2 import CandidateList, Facts, Recommended, blend_v2

LENGTH = 50
FACTS: dict[str, Facts] = {}


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, Facts]:
    """Category and brand of the items that have any."""
    FACTS.clear()

    def look_up(relation: str, keys: Sequence[str]) -> Mapping[str, Facts]:
        assert relation == "items"
        return {key: FACTS[key] for key in keys if key in FACTS}

    monkeypatch.setattr(module, "look_up", look_up)
    return FACTS


def found(
    strategy: str = "covisitation", reason: str | None = None, factor: float = 1.0, **scores: float
) -> Any:
    """A list of items with scores, of weight 1."""
    return CandidateList(
        strategy=strategy, reason_item_id=reason, weight=1.0, factor=factor,
        item_ids=list(scores), scores=list(scores.values()),
    )  # fmt: skip


def recent(*items: str, weight: float = 1.0) -> Any:
    """The user's own items, newest first; being close to them weighs so much."""
    return CandidateList(
        strategy="recent", reason_item_id=None, weight=weight, factor=0.0, item_ids=items, scores=None
    )


def blend(
    *lists: Any,
    weights: dict[str, float] | None = None,
    candidates: int = 75,
    length: int = LENGTH,
    decay: float = 0.5,
    floor: float = 0.25,
    version: str | None = None,
) -> list[Recommended]:
    names, values = (list(weights), list(weights.values())) if weights else (None, None)
    return blend_v2(lists, names, values, candidates, length, decay, floor, version)


def ids(recommended: list[Recommended]) -> list[str]:
    return [row["item_id"] for row in recommended]


def scores(recommended: list[Recommended]) -> dict[str, float]:
    return {row["item_id"]: row["score"] for row in recommended}


def test_what_all_lists_say_of_an_item_is_summed_and_the_loudest_explains_it() -> None:
    recommended = blend(
        found("covisitation", "p", 0.5, a=0.4, b=0.2),
        found("covisitation", "q", a=0.3),
        found("trending", "r", a=0.1),
    )
    assert recommended[0] == {
        "item_id": "a", "score": 0.6, "strategy": "covisitation", "reason_item_id": "q",
        "strategies": ["covisitation", "trending"], "contributions": [0.5, 0.1],
    }  # fmt: skip
    assert recommended[1]["score"] == 0.1


def test_of_lists_that_are_equally_loud_the_first_explains() -> None:
    assert blend(found("a", "p", x=0.5), found("b", "q", x=0.5))[0]["strategy"] == "a"


def test_a_weight_of_the_variant_takes_the_place_of_the_lists_own() -> None:
    lists = found("covisitation", a=0.5), found("trending", b=0.4)
    assert ids(blend(*lists)) == ["a", "b"]
    assert scores(blend(*lists, weights={"trending": 2.0})) == {"b": 0.8, "a": 0.5}
    assert ids(blend(*lists, weights={"trending": 0.0, "covisitation": -1.0})) == []


@pytest.mark.parametrize("weight", [math.inf, -math.inf, math.nan, 1e308])
def test_no_weight_makes_a_list_fail(weight: float) -> None:
    recommended = blend(found("trending", a=1e10), found("popularity", b=0.5), weights={"trending": weight})
    assert scores(recommended)["b"] == 0.5
    assert all(math.isfinite(row["score"]) for row in recommended)


def test_without_scores_the_place_counts() -> None:
    given = found("popularity", factor=0.6, a=0, b=0, c=0) | {"scores": None}
    assert scores(blend(given)) == {"a": 0.3, "b": 0.2, "c": 0.15}


def test_an_item_is_no_reason_for_itself() -> None:
    assert scores(blend(found("session_affinity", "a", a=0.9, b=0.5), found(a=0.1))) == {"b": 0.5, "a": 0.1}


def test_equal_scores_order_by_item_id() -> None:
    assert ids(blend(found(b=1, c=1, a=1))) == ["a", "b", "c"]


def test_recent_items_are_recommended_only_if_a_list_says_them() -> None:
    assert ids(blend(recent("seen", "again"), found(a=0.5, again=0.2))) == ["a", "again"]


def test_so_many_go_on_the_users_own_among_them() -> None:
    lists = recent("own"), found(d=1, c=1, b=1, a=2, own=0.5)
    assert ids(blend(*lists, candidates=3)) == ["a", "b", "own"]


def test_a_list_ends_at_its_length() -> None:
    many = found(**{f"i{number}": 1.0 for number in range(80)})
    assert len(blend(many)) == LENGTH
    assert len(blend(many, length=7)) == 7


def test_no_candidates_make_an_empty_list() -> None:
    assert blend() == []
    assert blend(recent("seen")) == []
    assert blend(found()) == []


def test_arrays_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="a list of trending has 1 items and 2 scores"):
        blend(found("trending", a=1) | {"scores": [1.0, 2.0]})
    with pytest.raises(ValueError, match="zip"):
        blend_v2([], ["trending"], [], 75, 50, 0.5, 0.25, None)


# ---- vectors ------------------------------------------------------------------------------------------------------------


def test_what_is_close_to_the_user_comes_first(models: Path) -> None:
    save(models, "v1", seen=[1, 0], near=[2, 0.1], far=[0, 5])
    recommended = blend(recent("seen"), found(far=0.5, near=0.4), version="v1")
    assert ids(recommended) == ["near", "far"]
    assert recommended[0]["score"] == pytest.approx(0.4 + 0.998752, abs=1e-6)
    assert recommended[0]["strategies"] == ["covisitation", "embedding"]
    assert recommended[0]["contributions"] == pytest.approx([0.4, 0.998752], abs=1e-6)
    assert recommended[1]["score"] == 0.5


def test_the_newest_item_weighs_most_in_the_users_vector(models: Path) -> None:
    save(models, "v1", old=[1, 0], new=[0, 1], like_old=[1, 0], like_new=[0, 1])
    lists = recent("new", "old"), found(like_old=1, like_new=1)
    assert ids(blend(*lists, version="v1")) == ["like_new", "like_old"]


def test_the_cosine_takes_the_place_of_the_embedding_score(models: Path) -> None:
    save(models, "v1", seen=[1, 0], a=[1, 0])
    lists = recent("seen", weight=0.5), found(a=0.4), found("embedding", "seen", a=0.3)
    assert blend(*lists, version="v1")[0]["score"] == pytest.approx(0.4 + 0.5)
    assert blend(*lists, weights={"embedding": 2.0}, version="v1")[0]["score"] == pytest.approx(0.4 + 2.0)


def test_an_item_without_a_vector_keeps_its_embedding_score(models: Path) -> None:
    save(models, "v1", seen=[1, 0])
    lists = recent("seen", weight=0.5), found(a=0.4), found("embedding", "seen", a=0.3)
    assert blend(*lists, version="v1")[0]["score"] == pytest.approx(0.7)


def test_an_opposite_item_is_not_pushed_below_its_lists(models: Path) -> None:
    save(models, "v1", seen=[1, 0], a=[-1, 0])
    assert blend(recent("seen"), found(a=0.7), version="v1")[0]["score"] == 0.7


@pytest.mark.parametrize("version", [None, "", "none", "../secret", "v1/../v1"])
def test_a_missing_or_strange_version_means_no_vectors(models: Path, version: str | None) -> None:
    np.savez(models.parent / "secret.npz", item_ids=np.array(["a"]), vectors=np.ones((1, 2)))
    save(models, "v1", seen=[1, 0], a=[1, 0])
    assert blend(recent("seen"), found(a=0.7), version=version)[0]["score"] == 0.7


def test_a_version_that_arrives_later_is_found(models: Path) -> None:
    lists = recent("seen"), found(a=0.5)
    assert blend(*lists, version="v2")[0]["score"] == 0.5
    save(models, "v2", seen=[1, 0], a=[1, 0])
    assert blend(*lists, version="v2")[0]["score"] == 1.5


def test_a_version_is_read_once_and_two_stay_in_memory(models: Path) -> None:
    lists = recent("seen"), found(a=0.5)
    for version in ("v1", "v2", "v3"):
        save(models, version, seen=[1, 0], a=[1, 0])
        blend(*lists, version=version)
        (models / f"{version}.npz").unlink()
    found_again = {version: blend(*lists, version=version)[0]["score"] for version in ("v3", "v2", "v1")}
    assert found_again == {"v3": 1.5, "v2": 1.5, "v1": 0.5}


def test_a_user_or_an_item_with_a_zero_vector_has_no_cosine(models: Path) -> None:
    save(models, "v1", seen=[0, 0], other=[1, 0], a=[0, 0])
    assert blend(recent("seen"), found(a=0.5), version="v1")[0]["score"] == 0.5
    assert blend(recent("other"), found(a=0.5), version="v1")[0]["score"] == 0.5


# ---- variety ------------------------------------------------------------------------------------------------------------


def test_repeated_categories_and_brands_lose_by_the_stated_factor(catalogue: dict[str, Facts]) -> None:
    catalogue |= dict.fromkeys("abc", ("tea", None))
    assert list(scores(blend(found(a=1, b=1, c=1))).values()) == [1.0, 0.625, 0.4375]
    assert list(scores(blend(found(a=1, b=1, c=1), decay=0.2, floor=0.5)).values()) == [1.0, 0.6, 0.52]
    assert list(scores(blend(found(a=1, b=1, c=1), decay=1.0)).values()) == [1.0, 1.0, 1.0]
    catalogue |= dict.fromkeys("ab", ("tea", "x"))
    assert list(scores(blend(found(a=1, b=1))).values()) == [1.0, 0.390625]


def test_variety_lets_a_weaker_item_of_another_category_pass(catalogue: dict[str, Facts]) -> None:
    catalogue |= {"a": ("tea", None), "b": ("tea", None), "c": ("jam", None)}
    assert ids(blend(found(a=1.0, b=0.9, c=0.6))) == ["a", "c", "b"]


def test_a_category_is_no_brand_and_items_without_either_are_not_alike(catalogue: dict[str, Facts]) -> None:
    catalogue |= {"a": ("x", None), "b": (None, "x")}
    assert list(scores(blend(found(a=1, b=1, c=1, d=1))).values()) == [1.0] * 4


ITEMS = st.sampled_from("abcdefghijkl")
LISTS = st.lists(
    st.builds(
        lambda strategy, reason, weight, factor, entries, places: {
            "strategy": strategy,
            "reason_item_id": reason,
            "weight": weight / 10,
            "factor": factor / 10,
            "item_ids": [item for item, _ in entries],
            "scores": None if places else [score / 10 for _, score in entries],
        },
        st.sampled_from(["buy_again", "covisitation", "embedding", "trending"]),
        st.none() | ITEMS,
        st.integers(0, 20),
        st.integers(0, 10),
        st.lists(st.tuples(ITEMS, st.integers(0, 10)), max_size=8, unique_by=lambda entry: entry[0]),
        st.booleans(),
    ),
    max_size=8,
)
CATALOGUE = st.dictionaries(
    ITEMS, st.tuples(st.sampled_from([None, "tea", "jam"]), st.sampled_from([None, "x", "y"]))
)


def one_by_one(
    lists: list[Any], own: list[str], weights: dict[str, float], facts: dict[str, Facts], limit: int
) -> Any:
    """The definition: sums of all entries, the best of the others, then the best of all that are left, again and again."""
    sums: dict[str, dict[str, float]] = {}
    for each in lists:
        for place, item in enumerate(each["item_ids"]):
            score = 1 / (place + 2) if each["scores"] is None else each["scores"][place]
            share = weights.get(each["strategy"], each["weight"]) * each["factor"] * score
            said = sums.setdefault(item, {})
            said[each["strategy"]] = said.get(each["strategy"], 0.0) + share * (
                item != each["reason_item_id"]
            )
    totals = {item: round(sum(said.values()), 6) for item, said in sums.items()}
    positive = sorted((item for item in totals if totals[item] > 0), key=lambda item: (-totals[item], item))
    left = [item for item in positive if item in own] + [item for item in positive if item not in own][
        : max(limit - len(own), 0)
    ]
    scored = {item: totals[item] for item in left}
    chosen: list[tuple[str, float]] = []

    def worth(item: str) -> float:
        score = scored[item]
        for kind, value in enumerate(facts.get(item, (None, None))):
            repeats = sum(facts.get(other, (None, None))[kind] == value for other, _ in chosen)
            score *= 1.0 if value is None else 0.25 + 0.75 * 0.5**repeats
        return round(score, 6)

    while left:
        best = min(left, key=lambda item: (-worth(item), item))
        chosen.append((best, worth(best)))
        left.remove(best)
    return chosen


@given(
    LISTS,
    st.lists(ITEMS, max_size=3, unique=True),
    st.sampled_from([{}, {"trending": 2.5}]),
    CATALOGUE,
    st.integers(1, 12),
)
def test_the_list_is_the_greedy_choice_of_the_sums(
    lists: list[Any], own: list[str], weights: dict[str, float], facts: dict[str, Facts], limit: int
) -> None:
    FACTS.clear()
    FACTS.update(facts)
    recommended = blend(*([recent(*own)] if own else []), *lists, weights=weights, candidates=limit)
    expected = one_by_one(lists, own, weights, facts, limit)
    assert ids(recommended) == [item for item, _ in expected]
    assert [row["score"] for row in recommended] == pytest.approx([score for _, score in expected], abs=1e-9)
    listed = [row["score"] for row in recommended]
    assert listed == sorted(listed, reverse=True)
    assert len(set(ids(recommended))) == len(recommended)
    for row in recommended:
        assert row["strategy"] in row["strategies"] or not row["contributions"]
        assert row["score"] <= sum(row["contributions"]) + 1e-6
