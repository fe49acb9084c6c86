"""RecSys Challenge 2015 (YooChoose) clicks as prepared by session-rec: tab-separated sessions without users.

EventLog: https://github.com/rn5l/session-rec. Columns: SessionId, ItemId, Time (Unix seconds with milliseconds).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

from loaders.reading.parse import from_unix
from loaders.reading.text import damage, shown
from loaders.reading.text_log import TextLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Item, Rejected, event

HEADER = ["SessionId", "ItemId", "Time"]


class Rsc15(TextLog):
    """Every click is a `view_item` of a visitor who is known for one session only (`anonymous_id`).

    The file is sorted by session, so it is put into time order. Items have no names: they are called by their number.
    """

    name = "rsc15"
    summary = "RecSys Challenge 2015 clicks, tab-separated (SessionId, ItemId, Time)"
    time_ordered = False

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row after the header."""
        for number, text in self._rows():
            try:
                yield _event(text)
            except ValueError as error:
                yield self.rejected(number, error, text)

    def items(self) -> Iterator[Item]:
        """Give every item that a click names; memory grows with the number of items."""
        seen = set()
        for _, text in self._rows():
            fields = text.split("\t")
            if len(fields) == len(HEADER) and fields[1].isdecimal():
                seen.add(fields[1])
        for item in sorted(seen):
            yield Item(item, f"Item {item}", None, None, None, None, True, None)

    def _rows(self) -> Iterator[tuple[int, str]]:
        with closing(self.lines()) as lines:
            header = next(lines, "")
            if header and header.strip().split("\t") != HEADER:
                raise LoaderError(
                    f"{self.file}:1: not an RSC15 file; its header must be {', '.join(HEADER)} with tabs"
                )
            for number, line in enumerate(lines, start=2):
                if text := line.strip():
                    yield number, text


def _event(text: str) -> Event:
    if reason := damage(text):
        raise ValueError(reason)
    fields = text.split("\t")
    if len(fields) != len(HEADER):
        raise ValueError(f"{len(fields)} fields where the format has {len(HEADER)}")
    session, item, seconds = fields
    if not (session.isdecimal() and item.isdecimal()):
        raise ValueError("SessionId and ItemId must be numbers")
    try:
        unix = float(seconds)
        time = from_unix(unix) if math.isfinite(unix) else None
    except (ValueError, OverflowError, OSError):
        time = None
    if time is None:
        raise ValueError(f"Time must be Unix seconds, not {shown(seconds)}")
    return event(
        f"rsc15-{session}-{item}-{seconds}",
        "view_item",
        time,
        anonymous_id=f"rsc15-{session}",
        session_id=f"rsc15-{session}",
        item_id=item,
    )
