"""Which events are used, and who acted."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from loaders.schema import ids
from millstream.engine.erasure.tombstones import keyed_hash
from tests.project.compiled import ROOT
from tests.project.shop import Shop

MINUTE = timedelta(minutes=1)


def test_a_visitors_events_become_the_persons_when_the_visitor_is_known(shop: Shop) -> None:
    shop.event(None, "view_item", "a", MINUTE, anonymous_id="visitor")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["visitor"]
    shop.put("identities", anonymous_id="visitor", user_id="ann")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["ann"]


def test_the_user_of_an_event_goes_before_the_visitors_identity(shop: Shop) -> None:
    shop.put("identities", anonymous_id="shared", user_id="ann")
    shop.event("bob", "view_item", "a", MINUTE, anonymous_id="shared")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["bob"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"consent": False}, "no consent"),
        ({"device": "bot"}, "bot"),
        ({"user_id": None}, "user_id and anonymous_id are missing"),
        ({"occurred_at": None}, "occurred_at is missing"),
        ({"received_at": None}, "received_at is missing"),
        ({"occurred_at": "-infinity"}, "occurred_at is no moment"),
        ({"occurred_at": "0044-03-15 12:00:00+00 BC"}, "occurred_at is no moment"),
        ({"received_at": "infinity"}, "received_at is no moment"),
        ({"received_at": "294276-12-31 23:59:00+00"}, "received_at is no moment"),
        ({"received_at": "9999-12-31 12:00:00+00"}, "received_at is no moment"),
        ({"user_id": "erased"}, "erased"),
        ({"user_id": None, "anonymous_id": "was-erased"}, "erased"),
    ],
)
def test_an_event_that_must_not_be_used_is_quarantined(
    shop: Shop, columns: dict[str, object], reason: str
) -> None:
    shop.put("erased_users", user_id="erased", erased_at=shop.now)
    shop.put("identities", anonymous_id="was-erased", user_id="erased")
    good = shop.event("ann", "view_item", "a", MINUTE)
    bad = shop.event("ann", "view_item", "a", MINUTE, **columns)
    shop.refresh()
    assert shop.values("select event_id from stg_events") == [good]
    assert shop.rows("select event_id, reason from stg_events_quarantined") == [
        {"event_id": bad, "reason": reason}
    ]


def test_an_erased_person_stays_erased_when_the_link_is_gone(shop: Shop) -> None:
    shop.event(None, "purchase", "a", MINUTE, anonymous_id="phone")
    shop.put("identities", anonymous_id="phone", user_id="ida")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["ida"]
    shop.put("erased_users", user_id="ida", erased_at=shop.now)
    shop.rows("delete from identities returning 1")
    shop.event(None, "view_item", "a", MINUTE, anonymous_id="phone")
    shop.event("ida", "view_item", "a", MINUTE, anonymous_id="tablet")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == []
    shop.put("identities", anonymous_id="phone", user_id="bob")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == []
    kept = shop.rows("select * from past_identities")
    assert kept and "ida" not in str(kept)


def test_who_uses_an_erased_persons_tablet_under_another_name_is_somebody_else(shop: Shop) -> None:
    shop.put("identities", anonymous_id="tablet", user_id="ida")
    shop.put("erased_users", user_id="ida", erased_at=shop.now)
    shop.event("bob", "view_item", "a", MINUTE, anonymous_id="tablet")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["bob"]


@pytest.mark.parametrize("user", [None, "sam"])
def test_an_erased_visitor_does_not_come_back_under_a_name(shop: Shop, user: str | None) -> None:
    shop.put("erased_users", user_id="watch", erased_at=shop.now)
    shop.event(user, "view_item", "a", MINUTE, anonymous_id="watch")
    shop.put("identities", anonymous_id="watch", user_id="sam")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == []
    assert shop.values("select reason from stg_events_quarantined") == ["erased"]


def test_a_link_that_is_made_after_the_erasure_makes_its_visitor_erased(shop: Shop) -> None:
    shop.put("erased_users", user_id="ida", erased_at=shop.now)
    shop.event(None, "view_item", "a", MINUTE, anonymous_id="phone")
    shop.put("identities", anonymous_id="phone", user_id="ida")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == []
    shop.rows("delete from identities returning 1")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == []


def test_a_tombstone_keeps_a_person_out_without_the_name(shop: Shop) -> None:
    shop.rows("insert into tombstone_keys select n, 'a secret' from generate_series(0, 99) as n returning 1")
    for name in ("ida", "watch"):
        shop.put("tombstones", id_hash=keyed_hash("a secret", name), erased_at=shop.now)
    shop.put(
        "past_identities",
        visitor_hash=keyed_hash("a secret", "phone"),
        person_hash=keyed_hash("a secret", "ida"),
    )
    shop.event("ida", "view_item", "a", MINUTE)
    shop.event(None, "view_item", "a", MINUTE, anonymous_id="phone")
    shop.event("bob", "view_item", "a", MINUTE, anonymous_id="watch")
    shop.event("sam", "view_item", "a", MINUTE, anonymous_id="phone")
    shop.refresh()
    assert shop.values("select user_id from stg_events") == ["sam"]
    assert shop.rows("select id, is_erased from load_erased_ids order by id") == [
        {"id": "ida", "is_erased": True},
        {"id": "phone", "is_erased": False},
        {"id": "watch", "is_erased": True},
    ]


@pytest.mark.parametrize("key", ["", "it's a secret"])
def test_the_engine_hashes_as_the_models_do(shop: Shop, key: str) -> None:
    shop.rows("insert into tombstone_keys select n, %s from generate_series(0, 99) as n returning 1", key)
    shop.event("Zoë's phone", "view_item", "a", MINUTE)
    shop.refresh()
    assert shop.values("select id_hash from stg_known_ids") == [keyed_hash(key, "Zoë's phone")]


@pytest.mark.parametrize("nobody", ["", " ", "null", "0", "undefined"])
def test_a_row_of_erased_users_that_names_nobody_erases_nobody(shop: Shop, nobody: str) -> None:
    shop.put("erased_users", user_id=nobody, erased_at=shop.now)
    shop.event(nobody, "view_item", "a", MINUTE, anonymous_id="phone")
    shop.event("bob", "view_item", "a", MINUTE, anonymous_id=nobody)
    shop.put("identities", anonymous_id="tablet", user_id=nobody)
    shop.event(None, "view_item", "a", MINUTE, anonymous_id="tablet")
    shop.refresh()
    assert sorted(shop.values("select user_id from stg_events")) == ["bob", "phone", "tablet"]


NO_IDS = ["", "  ", "\t", "null", "NULL", '"undefined"', "None", "(not set)", "0", "'0'", "Anonymous"]


@pytest.mark.parametrize("nobody", NO_IDS)
def test_an_id_that_is_none_is_nobodys(shop: Shop, nobody: str) -> None:
    shop.put("identities", anonymous_id="phone", user_id="eva")
    shop.put("identities", anonymous_id=nobody, user_id="everybody")
    shop.put("identities", anonymous_id="tablet", user_id=nobody)
    for visitor in ("phone", "tablet", "watch"):
        shop.event(nobody, "view_item", "a", MINUTE, anonymous_id=visitor, session_id=nobody)
    lost = shop.event(nobody, "view_item", "a", MINUTE, anonymous_id=nobody)
    nameless = shop.event("ann", "view_item", "a", MINUTE, event_id=nobody)
    shop.refresh()
    assert shop.values("select user_id from stg_events order by user_id") == ["eva", "tablet", "watch"]
    assert shop.values("select distinct session_id from stg_events") == [None]
    assert {row["event_id"]: row["reason"] for row in shop.rows("select * from stg_events_quarantined")} == {
        lost: "user_id and anonymous_id are missing",
        nameless: "event_id is missing",
    }
    assert shop.values("select user_id from feat_user_recent order by user_id") == ["eva", "tablet", "watch"]
    assert shop.rows("select * from feat_session_items") == []


def test_an_id_that_only_looks_like_none_is_kept_as_it_is(shop: Shop) -> None:
    for user in (" ann ", "00", "nullius", "O'Neil", "guest-7"):
        shop.event(user, "view_item", "a", MINUTE)
    shop.refresh()
    assert set(shop.values("select user_id from stg_events")) == {
        " ann ",
        "00",
        "nullius",
        "O'Neil",
        "guest-7",
    }


@pytest.mark.parametrize(
    ("item", "is_kept"), [("", False), ("undefined", False), ("0", True), ("guest", True)]
)
def test_an_item_may_be_called_what_a_person_may_not(shop: Shop, item: str, is_kept: bool) -> None:
    shop.event("ann", "view_item", item, MINUTE)
    shop.refresh()
    assert shop.values("select item_id from stg_events") == [item if is_kept else None]
    assert shop.values("select item_id from feat_user_items") == ([item] if is_kept else [])


@pytest.mark.parametrize("nobody", NO_IDS)
def test_a_message_of_nobody_is_rejected(shop: Shop, nobody: str) -> None:
    shop.message(user_id=nobody)
    shop.message(event_id=nobody)
    shop.message(event_id="visit", user_id=nobody, anonymous_id="phone", session_id=nobody)
    shop.refresh()
    assert set(shop.values("select reason from stg_events_rejected")) == {
        "user_id and anonymous_id are missing",
        "event_id is missing",
    }
    assert shop.values("select event_id from stg_events_raw_parsed where user_id is null") == ["visit"]


def test_the_loaders_know_the_same_words() -> None:
    given = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    assert set(given["missing_words"]) == ids.MISSING_WORDS
    assert set(given["nobody_ids"]) == ids.NOBODY_IDS


@pytest.mark.parametrize(("minutes_ahead", "is_used"), [(5, True), (6, False)])
def test_an_event_from_the_future_is_quarantined_beyond_the_clock_skew(
    shop: Shop, minutes_ahead: int, is_used: bool
) -> None:
    shop.event("ann", "view_item", "a", MINUTE, occurred_at=shop.now + (minutes_ahead - 1) * MINUTE)
    shop.refresh()
    assert len(shop.rows("select 1 from stg_events")) == is_used
    expected = [] if is_used else ["occurred_at is after received_at"]
    assert shop.values("select reason from stg_events_quarantined") == expected


def test_a_good_message_has_the_columns_of_events_in_their_order(shop: Shop) -> None:
    shop.message(
        quantity=2, price=1.5, consent=True, position=3, dwell_seconds=4.5, list_id="home", search_query="tea"
    )
    shop.refresh()
    names = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum"
    assert shop.values(names, "stg_events_raw_parsed") == shop.values(names, "events")
    [row] = shop.rows("select * from stg_events_raw_parsed")
    assert (row["quantity"], row["price"], row["consent"], row["position"]) == (2, 1.5, True, 3)
    assert (row["dwell_seconds"], row["list_id"], row["search_query"]) == (4.5, "home", "tea")
    assert row["occurred_at"] == row["received_at"] == shop.now


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("event_id", None, "event_id is missing"),
        ("event_type", None, "event_type is missing"),
        ("user_id", None, "user_id and anonymous_id are missing"),
        ("occurred_at", None, "occurred_at is missing or not a timestamp with a time zone"),
        ("occurred_at", "yesterday", "occurred_at is missing or not a timestamp with a time zone"),
        ("occurred_at", "2026-01-01 10:00:00", "occurred_at is missing or not a timestamp with a time zone"),
        ("occurred_at", "2026-01-01", "occurred_at is missing or not a timestamp with a time zone"),
        ("occurred_at", "2100-01-01T10:00:00Z", "occurred_at is after received_at"),
        ("occurred_at", "20260-01-01T10:00:00Z", "occurred_at is no moment"),
        ("quantity", "two", "quantity is not an integer"),
        ("price", "free", "price is not a number"),
        ("dwell_seconds", "long", "dwell_seconds is not a number"),
        ("position", "top", "position is not an integer"),
        ("consent", "perhaps", "consent is not a boolean"),
    ],
)
def test_a_bad_field_rejects_its_message_and_no_other(
    shop: Shop, field: str, value: object, reason: str
) -> None:
    shop.message(event_id="good")
    shop.message(**{field: value})
    shop.refresh()
    assert shop.values("select event_id from stg_events_raw_parsed") == ["good"]
    [rejected] = shop.rows("select payload, reason from stg_events_rejected")
    assert rejected["reason"] == reason
    if value is not None:
        assert str(value) in rejected["payload"]


def test_a_message_that_is_not_json_is_kept_as_it_came(shop: Shop) -> None:
    shop.raw("<event/>")
    shop.refresh()
    assert shop.rows("select payload, reason from stg_events_rejected") == [
        {"payload": "<event/>", "reason": "the payload is not JSON"}
    ]


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01T10:00:00Z",
        "2026-01-01 10:00:00.25+00:00",
        "2026-01-01T10:00:00+00",
        "2026-01-01T10:00:00-0000",
    ],
)
def test_a_time_may_give_its_zone_in_any_iso_form(shop: Shop, written: str) -> None:
    shop.message(occurred_at=written)
    shop.refresh()
    [at] = shop.values("select occurred_at from stg_events_raw_parsed")
    assert at.replace(microsecond=0).isoformat() == "2026-01-01T10:00:00+00:00"
