"""Purchase baskets as arrays: which items were bought together, by whom and when."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
from psycopg import capabilities, sql
from scipy.sparse import csr_array

from loaders.schema.ids import id_or_none, is_no_id
from loaders.target.connection import WriterConnection

FETCH = 2_000
ERASED = "select id, is_erased from load_erased_ids"
LINES = """
select event_id, session_id, user_id, anonymous_id, item_id, occurred_at
from {}
where
    event_type = any(%s)
    and length(item_id) <= 1000
    and consent is distinct from false
    and device is distinct from 'bot'
    and occurred_at >= '0001-01-02 00:00+00'
    and occurred_at < '9999-12-31 00:00+00'
"""
Line: TypeAlias = tuple[str | None, str | None, str, datetime]


@dataclass(frozen=True)
class Baskets:
    """Distinct items per basket, in an order that does not depend on the order of reading.

    `contents` is a baskets × items matrix of ones; `items` names its columns in sorted order. For each basket `persons`
    holds a number of its buyer (−1 when unknown) and `ended` the time of its last line (seconds of Unix time).
    """

    contents: csr_array
    items: list[str]
    persons: np.ndarray
    ended: np.ndarray

    def part(self, chosen: np.ndarray) -> csr_array:
        """Give the rows of `contents` for which `chosen` is true."""
        return self.contents[np.flatnonzero(chosen)]


def gather(lines: Iterable[Line]) -> Baskets:
    """Gather purchase lines (session, user, item, time). A line without a session belongs to its user's day.

    Lines that name neither a session nor a user are no part of any basket.
    """
    basket_numbers: dict[str, int] = {}
    item_numbers: dict[str, int] = {}
    person_numbers: dict[str, int] = {}
    baskets, items = array("i"), array("i")
    persons, ended = array("i"), array("d")
    for session, user, item, time in lines:
        key = f"s:{session}" if session is not None else f"d:{user}:{time:%Y-%m-%d}"
        if session is None and user is None:
            continue
        basket = basket_numbers.setdefault(key, len(basket_numbers))
        if basket == len(persons):
            persons.append(-1 if user is None else person_numbers.setdefault(user, len(person_numbers)))
            ended.append(time.timestamp())
        ended[basket] = max(ended[basket], time.timestamp())
        baskets.append(basket)
        items.append(item_numbers.setdefault(item, len(item_numbers)))
    basket_order, item_order = _ranks(basket_numbers), _ranks(item_numbers)
    shape = (len(basket_numbers), len(item_numbers))
    rows, columns = basket_order[np.asarray(baskets)], item_order[np.asarray(items)]
    contents = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    contents.sum_duplicates()
    contents.data[:] = 1
    by_name = np.argsort(basket_order)
    return Baskets(contents, sorted(item_numbers), np.asarray(persons)[by_name], np.asarray(ended)[by_name])


def read_lines(target: WriterConnection, relation: str, event_types: Sequence[str]) -> Iterator[Line]:
    """Read lines from a relation with the columns of `events`; `relation` may name its schema.

    The arrays of a model give every item the room of the longest id, so an id of more than 1,000 letters names nothing.
    Events of erased people (by the view load_erased_ids: under any id that the event has, also before they were known by
    name, and when that is forgotten), of people who refused consent, of bots and at no moment are left out. A visitor
    without a name is a person by the anonymous id.
    """
    left_out: dict[str | None, bool] = dict(target.connection.execute(ERASED))
    statement = sql.SQL(LINES).format(sql.Identifier(*relation.split(".")))
    size = FETCH if capabilities.has_stream_chunked() else 1
    with target.connection.cursor(binary=True) as cursor:
        for event_id, *ids, named, time in cursor.stream(statement, [list(event_types)], size=size):
            session, user, visitor = map(id_or_none, ("session_id", "user_id", "anonymous_id"), ids)
            item = id_or_none("item_id", named)
            if item is None or is_no_id("event_id", event_id) or left_out.get(user) or left_out.get(visitor):
                continue
            if user is not None or visitor not in left_out:
                yield session, user or visitor, item, time


def _ranks(numbers: dict[str, int]) -> np.ndarray:
    """Give for each number the rank of its name in sorted order."""
    ranks = np.empty(len(numbers), np.int64)
    for rank, name in enumerate(sorted(numbers)):
        ranks[numbers[name]] = rank
    return ranks
