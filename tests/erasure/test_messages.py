"""Whose a raw message is."""

from __future__ import annotations

import pytest

from millstream.engine.erasure.messages import is_of


@pytest.mark.parametrize(
    "payload",
    [
        '{"user_id": "42"}',
        '{"user_id": 42}',
        '{"userId": "42"}',
        '{"anonymous_id": "42", "user_id": "bob"}',
        '{"context": [{"traits": {"AnonymousId": "42"}}]}',
        '{"user_id": "\\u0034\\u0032"}',
        '{"user_id": "42", "user_id": "bob"}',
        '{"user_id": ["41", "42"]}',
        '{"user_id": "phone", "item_id": "7"}',
        '{"anonymous_id": "phone", "user_id": "42"}',
        '{"user_id": "42',
        "42;view_item;7",
        "[" * 100_000 + '"42"',
    ],
)
def test_a_message_that_names_a_person_is_that_persons(payload: str) -> None:
    assert is_of(payload, {"42"}, {"phone"})


@pytest.mark.parametrize(
    "payload",
    [
        '{"user_id": "bob", "item_id": "42", "quantity": 42}',
        '{"user_id": "421"}',
        '{"user_id": "bob", "anonymous_id": "phone"}',
        '{"user_id": "4"}',
        "421;view_item;142",
        "null",
        "{}",
        "",
    ],
)
def test_a_message_of_somebody_else_stays(payload: str) -> None:
    assert not is_of(payload, {"42"}, {"phone"})
