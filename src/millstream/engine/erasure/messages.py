"""Whose a message is: its fields of ids, at any depth, read as JSON; text that is none is searched for the ids."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from millstream.engine.erasure.columns import ID_COLUMNS

NAMES = frozenset(name.replace("_", "") for name in ID_COLUMNS)


def names_of(payload: str) -> set[str] | None:
    """The values of the fields of ids (user_id, userId, anonymous_id, …), also of repeated ones; None if it is no JSON."""
    found: set[str] = set()

    def keep(pairs: list[tuple[str, object]]) -> None:
        for name, value in pairs:
            if name.replace("_", "").lower() in NAMES:
                found.update(scalars(value))

    try:
        json.loads(payload, object_pairs_hook=keep, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found


def scalars(value: object) -> Iterator[str]:
    """A scalar as staging reads it: as text."""
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from scalars(each)


def is_of(payload: str, ids: Collection[str], visitors: Collection[str]) -> bool:
    """Whether a message is these people's: it names one of `ids`, or one of `visitors` and nobody else."""
    named = names_of(payload)
    if named is None:
        return any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", payload) for each in {*ids, *visitors})
    return any(each in named for each in ids) or (
        any(each in named for each in visitors) and named <= {*ids, *visitors}
    )
