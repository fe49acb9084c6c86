"""Send a file of raw messages, one a line, to `events_raw` without looking into them; staging parses and judges them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import psycopg

from loaders.load import CHUNK, FLUSH_EVERY, Loaded
from loaders.pace import Pace
from loaders.progress import progress_bars
from loaders.relations import EVENTS_RAW
from loaders.rows import Event, RawEvent, Rejected
from loaders.source import TextSource, printable
from loaders.target import Target, gone

NAME = "raw"
SUMMARY = "any text file: each line goes to events_raw as it is"


class _Lines(TextSource):
    name = NAME
    summary = SUMMARY

    def read(self) -> Iterator[Event | Rejected]:
        return iter(())


def load_raw(
    dsn: str, path: Path, *, chunk: int = CHUNK, flush_every: int = FLUSH_EVERY, show_progress: bool = True
) -> Loaded:
    """Append every line that is not blank; `source_partition` is the file's name and `source_offset` the line's number.

    The relation has no key, so the greatest offset that is there says where a load that was killed goes on: chunks
    are sent in order and each is one statement. A file must keep its name and may only grow.

    Raises LoaderError when the file is missing or the server goes away; the same call continues.
    """
    began = time.monotonic()
    loaded = Loaded()
    source = _Lines(path)
    try:
        with Target(dsn) as target, Pace(dsn, flush_every) as pace, progress_bars(show=show_progress) as bars:
            target.flush(tries=1)
            done = target.last_raw_offset(path.name)
            task = bars.add_task("raw messages", total=source.size, rows=0, note="")
            messages = _messages(source, path.name)
            while batch := list(islice(messages, chunk)):
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
    except psycopg.OperationalError as error:
        raise gone(loaded.sent, "messages", error) from error
    loaded.seconds = time.monotonic() - began
    return loaded


def _messages(source: TextSource, partition: str) -> Iterator[RawEvent]:
    for number, line in enumerate(source.lines(), start=1):
        payload = line.rstrip("\r\n")
        if payload.strip():
            yield RawEvent(printable(payload), partition, str(number), datetime.now(UTC))
