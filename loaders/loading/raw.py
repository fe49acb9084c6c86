"""Send a file of raw messages, one a line, to `events_raw` without looking into them; staging parses and judges them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from loaders.loading.load import CHUNK, FLUSH_EVERY
from loaders.reading.text import printable
from loaders.reading.text_log import TextLog
from loaders.schema.relations import EVENTS_RAW
from loaders.schema.rows import Event, RawEvent, Rejected, chunks
from loaders.target.connection import WriterConnection, gone
from loaders.target.pace import Pace
from loaders.target.progress import progress_bars

NAME = "raw"
SUMMARY = "any text file: each line goes to events_raw as it is"

REJECTED = """
select reason, count(*), min(cast(source_offset as bigint)) from stg_events_rejected
where source_partition = %s group by reason order by count(*) desc, reason
"""


class _Lines(TextLog):
    name = NAME
    summary = SUMMARY

    def read(self) -> Iterator[Event | Rejected]:
        return iter(())


@dataclass
class LoadedRaw:
    """What became of the messages of a file. `read` counts those there are: sent, and those that were already there.

    Of all of them staging accepted `accepted` and rejected `rejected`, by `reasons`; None where that may not be seen.
    `broken` says where a stored file that is damaged could not be read on.
    """

    read: int = 0
    sent: int = 0
    already_there: int = 0
    accepted: int | None = None
    rejected: int | None = None
    reasons: list[str] = field(default_factory=list)
    broken: str | None = None
    seconds: float = 0.0


def load_raw(
    dsn: str,
    path: Path,
    *,
    judge: str | None = None,
    chunk: int = CHUNK,
    flush_every: int = FLUSH_EVERY,
    show_progress: bool = True,
) -> LoadedRaw:
    """Append every line that is not blank; `source_partition` is the file's name and `source_offset` the line's number.

    The relation has no key, so the greatest offset that is there says where a load that was killed goes on: chunks
    are sent in order and each is one statement. A file must keep its name and may only grow. `judge` is the DSN of
    somebody who may read stg_events_rejected (`dsn` unless given): when the views have caught up, it is asked what
    became of the file's messages.

    Raises LoaderError when the file is missing or the server goes away; the same call continues.
    """
    began = time.monotonic()
    loaded = LoadedRaw()
    source = _Lines(path)
    partition = printable(path.name)
    try:
        with (
            WriterConnection(dsn) as target,
            Pace(dsn, flush_every) as pace,
            progress_bars(show=show_progress) as bars,
        ):
            target.flush(tries=1)
            done = target.last_raw_offset(partition)
            task = bars.add_task("raw messages", total=source.size, rows=0, note="")
            for batch in chunks(_messages(source, partition), chunk):
                loaded.read += len(batch)
                new = [message for message in batch if int(message.source_offset) > done]
                loaded.already_there += len(batch) - len(new)
                if new:
                    target.copy(EVENTS_RAW, new)
                    loaded.sent += len(new)
                    pace.sent(len(new))
                bars.update(task, completed=source.position, rows=loaded.read)
            pace.catch_up()
            bars.update(task, completed=source.size)
        _ask(judge or dsn, path, partition, loaded)
    except psycopg.OperationalError as error:
        raise gone(loaded.sent, "messages", error) from error
    if source.broken is not None:
        loaded.broken = f"{source.broken.reason} ({path}:{source.broken.line})"
    loaded.seconds = time.monotonic() - began
    return loaded


def _messages(source: TextLog, partition: str) -> Iterator[RawEvent]:
    for number, line in enumerate(source.lines(), start=1):
        payload = line.rstrip("\r\n")
        if payload.strip():
            yield RawEvent(printable(payload), partition, str(number), datetime.now(UTC))


def _ask(dsn: str, path: Path, partition: str, loaded: LoadedRaw) -> None:
    """Ask what staging makes of the file's messages, where that is deployed and may be seen."""
    with WriterConnection(dsn) as target:
        try:
            found = target.connection.execute(REJECTED, [partition]).fetchall()
        except (UndefinedTable, InsufficientPrivilege):
            return
    loaded.rejected = sum(count for _, count, _ in found)
    loaded.accepted = loaded.read - loaded.rejected
    loaded.reasons = [f"{count:,} × {reason} (first at {path}:{first})" for reason, count, first in found]
