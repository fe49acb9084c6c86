"""Ids that are none: what programs and trackers write where nobody and nothing is named. Staging goes by the same words."""

from __future__ import annotations

IDS = ("event_id", "user_id", "anonymous_id", "session_id")
MISSING_WORDS = frozenset(
    ("null", "(null)", "none", "nil", "undefined", "nan", "[object object]", "(not set)", "n/a")
)
"""What programs write where a value is missing; the project's var of that name."""
NOBODY_IDS = frozenset(("0", "-1", "00000000-0000-0000-0000-000000000000", "anonymous", "guest", "unknown"))
"""What trackers send while nobody is known, in any id but an item's; the project's var of that name."""
AROUND = " '\"\t\n\r"


def is_no_id(name: str, value: str) -> bool:
    """Whether the value of an id's column names nothing: empty, blank or a placeholder, in any letter case, quoted or not."""
    word = value.strip(AROUND).lower()
    return not word or word in MISSING_WORDS or (name in IDS and word in NOBODY_IDS)


def id_or_none(name: str, value: str | None) -> str | None:
    """The value as it is, or None if it names nothing."""
    return None if value is None or is_no_id(name, value) else value
