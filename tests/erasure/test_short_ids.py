"""Short ids are gone from files too, where they cannot be told apart as they are."""

from __future__ import annotations

import secrets

import pytest

from millstream.engine.erasure.files import patterns
from tests.erasure.shop import Shop
from tests.erasure.traces import in_files

SESSIONS = ("20260301T200830", "20260301T200830.123", "2026-03-01T20:08:30.123456+00:00")


def cleaned(shop: Shop, number: int) -> bool:
    """Whether no file has anything, as the erasure says."""
    row = shop.owner.execute(
        "select cleaned_at > done_at from millstream.erasure where number = %s", [number]
    ).fetchone()
    return row == (True,)


def visit(shop: Shop, event: str, user: str, session: str) -> None:
    """An event in a session."""
    shop.writer.execute(
        "insert into events (event_id, event_type, user_id, session_id, item_id, quantity, occurred_at)"
        " values (%s, 'view_item', %s, %s, 'item-1', 1, now())",
        [event, user, session],
    )


def test_what_was_made_of_a_short_id_goes_from_files(shop: Shop) -> None:
    """A text's header can look like a letter of the word before it: these sessions are 19, 23 and 36 bytes."""
    for number, session in enumerate(SESSIONS):
        visit(shop, f"e{number}", "dan", f"dan-{session}")
        visit(shop, f"f{number}", "jordan", f"jordan-{session}")
    shop.flush()
    shop.owner.execute("checkpoint")
    assert all(in_files(shop.home, f"dan-{session}") for session in SESSIONS)
    report = shop.forget("dan")
    assert report["remains"] == []
    assert cleaned(shop, report["erasure"])
    shop.owner.execute("checkpoint")
    for session in SESSIONS:
        for path in in_files(shop.home, f"dan-{session}"):
            content = (shop.home / path).read_bytes()
            assert content.count(f"dan-{session}".encode()) == content.count(f"jordan-{session}".encode())
    assert len(shop.used("jordan")) == len(SESSIONS)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b" dan-20260301T200830", True),
        (b"\x29dan-20260301T200830", True),
        (b"1dan-20260301T200830.123", True),  # 1 is the header of 23 bytes
        (b"jordan-20260301T200830", False),
        (b" dan-iel", False),
        (b" dan-2", False),
        (b" danube", False),
        (b'"dan"', True),
        (b"\x09dan", True),
    ],
)
def test_a_short_id_is_told_apart(content: bytes, found: bool) -> None:
    assert (patterns(["dan"]).search(content) is not None) == found


def test_nothing_is_looked_for_where_nobody_is_named() -> None:
    assert patterns([]).search(b"anything") is None


@pytest.mark.parametrize("user", ["7", "q7"])
def test_an_id_that_cannot_be_told_apart_is_gone_from_files(shop: Shop, user: str) -> None:
    mark = f"ZQ{secrets.token_hex(6)}"
    visit(shop, f"of-{mark}", user, f"{user}-{mark}")
    shop.flush()
    shop.owner.execute("checkpoint")
    assert in_files(shop.home, mark)
    report = shop.forget(user)
    assert report["remains"] == []
    assert report["ids_too_short_for_files"] == 1
    assert cleaned(shop, report["erasure"])
    assert in_files(shop.home, mark) == set()
