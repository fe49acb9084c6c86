"""Writers that keep account: what each event may be by what the server has acknowledged, and what it turns out to be."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg

BATCH = 50
RETRY_SECONDS = 0.2
PAUSE_SECONDS = 0.15
BEGIN = datetime(2017, 1, 3, tzinfo=UTC)


class Writer(threading.Thread):
    """Inserts, changes and deletes events of its own until `stop` is set, whatever happens to the server.

    `possible` has the values that each event may have: its item, or None where it is not there. One value after an
    acknowledged change; two after one of which nobody can say whether it came through, and then it is left alone.
    `dsn` is called at each connection and may raise.
    """

    def __init__(
        self, number: int, dsn: Callable[[], str], items: Sequence[str], stop: threading.Event
    ) -> None:
        super().__init__(name=f"writer {number}")
        self.prefix = f"chaos-{number}-"
        self.possible: dict[str, set[str | None]] = {}
        self.acknowledged: Counter[str] = Counter()
        self.unknown = 0
        self.errors: Counter[str] = Counter()
        self._dsn = dsn
        self._items = items
        self._stop_asked = stop
        self._random = random.Random(number)
        self._made = 0
        self._certain: list[str] = []  # events that are there for sure

    def run(self) -> None:
        """Write, and connect again where that fails."""
        while not self._stop_asked.is_set():
            try:
                with psycopg.connect(self._dsn(), autocommit=True, connect_timeout=5) as connection:
                    while not self._stop_asked.is_set():
                        self._one_change(connection)
                        time.sleep(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever the fault of the moment makes of a connection
                self.errors[type(error).__name__] += 1
                time.sleep(RETRY_SECONDS)

    def _one_change(self, connection: psycopg.Connection) -> None:
        what = self._random.choices(("insert", "batch", "update", "delete"), (5, 1, 3, 2))[0]
        if what in ("insert", "batch") or not self._certain:
            new = [self._new() for _ in range(BATCH if what == "batch" else 1)]
            changes: dict[str, str | None] = {event: self._random.choice(self._items) for event in new}
            self._settle("insert", changes, lambda: self._insert(connection, changes))
            return
        event = self._certain.pop(self._random.randrange(len(self._certain)))
        if what == "delete":
            statement = b"delete from events where event_id = %s"
            self._settle(what, {event: None}, lambda: connection.execute(statement, [event]))
        else:
            item = self._random.choice(self._items)
            statement = b"update events set item_id = %s where event_id = %s"
            self._settle(what, {event: item}, lambda: connection.execute(statement, [item, event]))

    def _settle(self, what: str, changes: dict[str, str | None], perform: Callable[[], object]) -> None:
        """Perform a change and note what may be so now."""
        try:
            perform()
        except BaseException:
            for event, value in changes.items():
                self.possible[event] = self.possible.get(event, {None}) | {value}
            self.unknown += len(changes)
            raise
        for event, value in changes.items():
            self.possible[event] = {value}
            if value is not None:
                self._certain.append(event)
        self.acknowledged[what] += len(changes)

    def _insert(self, connection: psycopg.Connection, changes: dict[str, str | None]) -> None:
        columns = "event_id, event_type, user_id, item_id, session_id, occurred_at"
        with connection.cursor().copy(f"copy events ({columns}) from stdin".encode()) as copy:
            for event, item in changes.items():
                person = self._random.randint(1, 300)
                moment = BEGIN + timedelta(seconds=self._made)
                copy.write_row((event, "purchase", str(person), item, f"s{person % 40}", moment))

    def _new(self) -> str:
        self._made += 1
        return f"{self.prefix}{self._made}"


def audit(owner: str, writers: Sequence[Writer]) -> dict[str, int]:
    """Compare what is stored with what was acknowledged: events that are lost, come back, or invented."""
    possible = {event: values for writer in writers for event, values in writer.possible.items()}
    with psycopg.connect(owner) as connection:
        found = connection.execute(
            "select event_id, item_id from events where event_id like 'chaos-%'"
        ).fetchall()
    stored: dict[str, str | None] = dict(found)
    wrong = [event for event, values in possible.items() if stored.get(event) not in values]
    return {
        "acknowledged": sum(writer.acknowledged.total() for writer in writers),
        "unknown": sum(writer.unknown for writer in writers),
        "stored": len(stored),
        "lost": sum(event not in stored for event in wrong),
        "changed back": sum(event in stored for event in wrong),
        "invented": len(stored.keys() - possible.keys()) + len(found) - len(stored),
    }
