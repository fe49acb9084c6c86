"""The words of both feeds: changes and batches of them, their text and JSON, and a position that is not kept any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from millstream.errors import MillstreamError

RETRY_SECONDS = (0.2, 5.0)  # the first and the longest pause between attempts to connect again


@dataclass(frozen=True)
class Change:
    """One row that appeared (+) or went away (-): at which position, at what reading of the engine's clock (if it has one).

    The position is the tick; on RisingWave it is the rw_timestamp, which a row of a snapshot has not. Values of `row`
    are what JSON has: numbers, text, true, false, None, lists; moments are ISO 8601 text in UTC.
    """

    tick: int | None
    time: datetime | None
    op: Literal["+", "-"]
    row: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """The changes of one tick, whole and in order, or a part of the snapshot: its last part is `complete`.

    Where `anew` is set a snapshot begins that was not asked for (RisingWave, after a deployment): what came before is
    not the model's any more.
    """

    tick: int | None
    changes: tuple[Change, ...]
    complete: bool = True
    anew: bool = False


class Gone(MillstreamError):
    """The changes after a position are not kept any more."""


Dsn = str | Callable[[], str]
Say = Callable[[str], None]


def first_line(error: Exception) -> str:
    """What an error says, without its context."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def as_json(change: Change) -> str:
    """One line of JSON: tick, time, op, row."""
    moment = change.time.isoformat() if change.time is not None else None
    found = {"tick": change.tick, "time": moment, "op": change.op, "row": change.row}
    return json.dumps(found, ensure_ascii=False)


def as_text(change: Change) -> str:
    """One line for people: the sign and the columns."""
    columns = " ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in change.row.items()
    )
    return f"{change.op} {columns}"
