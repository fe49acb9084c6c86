"""Reads topics into their relations until told to stop; whatever goes away is waited for and nothing is lost.

The loop is one thread: what a poll returned is committed before the next poll, and only a poll can give or take
partitions.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from millstream.errors import MillstreamError
from millstream.ingest.assignment import Assignment, listener, theirs
from millstream.ingest.backlog import Backlog
from millstream.ingest.client import KafkaSettings, reason
from millstream.ingest.lasting import decoding, lasting
from millstream.ingest.offsets import Fenced, Move, Offsets, PartitionId, install_partitions
from millstream.ingest.report import Report
from millstream.ingest.routes import Route, find_routes
from millstream.ingest.topics import Topics
from millstream.ingest.write import MessageBatch, write

if TYPE_CHECKING:
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError

BATCH = 5_000
MAX_QUEUED = 100_000
POLL_MS = 200
RETRY_SECONDS = 0.5
LOOK_SECONDS = 2.0  # how often brokers are asked about the topics
CLOSE_MS = 2_000
STILL_SECONDS = 3.0  # without a message, after which such a run asks for transactions that are open
ONCE_SECONDS = 30.0  # how long a run that is to end waits for brokers, topics and the database


@dataclass
class Consumed:
    """What a run did: messages queued, how many of them the relation refused, and seconds."""

    messages: int = 0
    refused: int = 0
    seconds: float = 0.0


class Consumer:
    """Reads the topics of some routes. `connect` gives a connection of the owner, in autocommit.

    `begin` says where a topic begins that nobody has read: 'earliest' (also for None) or 'latest'. Where it is given
    it also says where a partition goes on whose log no longer has the stored offset, which otherwise stops the
    consumer. With `once` it reads what is there now and ends; it then takes all partitions and joins no group.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        settings: KafkaSettings,
        topics: Sequence[str],
        report: Report,
        *,
        begin: str | None = None,
        batch: int = BATCH,
        max_queued: int = MAX_QUEUED,
        once: bool = False,
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._given = topics
        self._report = report
        self._begin = begin
        self._batch = batch
        self._max_queued = max_queued
        self._once = once
        self._conn: psycopg.Connection | None = None
        self._routes: dict[str, Route] = {}
        self._offsets: dict[str, Offsets] = {}
        self._backlog = Backlog((), max_queued)
        self._kafka: KafkaConsumer | None = None
        self._assignment: Assignment | None = None
        self._topics: Topics | None = None
        self._subscribed: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._read = time.monotonic()  # when everything was there last
        self._came = self._read  # when messages came last, or could not
        self.result = Consumed()

    def run(self, stop: threading.Event) -> Consumed:
        """Read until `stop` is set, or with `once` to the end of every partition.

        Raises MillstreamError where there is nothing to read into, Lost where messages are gone from a log, and Lasting
        where waiting does not help.
        """
        from kafka.errors import KafkaError

        began = self._read = self._came = time.monotonic()
        try:
            self._open_database()
            while not stop.is_set() and not self._is_done():
                try:
                    self._step(stop)
                except psycopg.Error as error:
                    self._lose_database(error)
                    stop.wait(RETRY_SECONDS)
                except KafkaError as error:
                    self._lose_kafka(error)
                    stop.wait(RETRY_SECONDS)
                self._give_up()
        finally:
            self._close_kafka()
            if self._conn is not None:
                self._conn.close()
        self.result.seconds = time.monotonic() - began
        return self.result

    def _step(self, stop: threading.Event) -> None:
        if self._conn is None:
            try:
                self._open_database()
            except MillstreamError as error:  # it was there, so it may come back
                raise psycopg.OperationalError(str(error)) from error
        self._look_at_topics()
        if self._kafka is None or self._assignment is None or self._conn is None or self._topics is None:
            stop.wait(RETRY_SECONDS)
            return
        self._assignment.claim(self._conn, self._offsets.__getitem__, self._topics.found)
        self._hold_back(self._kafka, self._assignment, self._conn)
        with decoding(self._settings.brokers):
            found = self._kafka.poll(timeout_ms=POLL_MS, max_records=self._batch)
        self._read = time.monotonic()
        if found or not self._assignment.is_settled or self._backlog.is_full:
            self._came = self._read
        self._write(found, self._assignment, self._conn)
        self._assignment.look_at_ends()
        if self._report.is_due():
            held = self._assignment.held
            self._report.progress(self.result.messages, self._assignment.lag(), self._backlog.rows, len(held))

    def _is_done(self) -> bool:
        if not self._once or self._assignment is None:
            return False
        if self._assignment.is_at_target():
            return True
        is_still = self._assignment.is_settled and time.monotonic() - self._came > STILL_SECONDS
        if is_still and self._assignment.is_at_open_transaction():
            self._report.say(
                "open", "a transaction is still open: what comes after its begin is not read yet"
            )
            return True
        return False

    def _give_up(self) -> None:
        """End a run that is to end, where what it waits for does not come."""
        if self._once and time.monotonic() - self._read > ONCE_SECONDS:
            raise MillstreamError(
                f"nothing could be read for {ONCE_SECONDS:.0f} s: {'; '.join(self._report.troubles)}\n"
                "  hint: mend that and repeat the command; without --once it waits"
            )

    # The database.

    def _open_database(self) -> None:
        conn = self._connect()
        try:
            install_partitions(conn)
            routes = find_routes(conn, self._given)
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        self._routes = {route.topic: route for route in routes}
        self._offsets = {route.topic: Offsets(conn, route.schema, route.relation) for route in routes}
        self._backlog = Backlog(routes, self._max_queued)
        self._report.well("database", "the database answers again")

    def _lose_database(self, error: psycopg.Error) -> None:
        self._report.trouble(
            "database",
            f"the database does not take messages ({reason(error)}); nothing is lost, they are read again when it does. "
            "See `millstream status`; `millstream up` starts it",
        )
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        if self._assignment is not None:
            self._assignment.release(self._assignment.held)

    # Kafka.

    def _look_at_topics(self) -> None:
        """Ask the brokers about the topics now and then, and follow what they say."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        if self._topics is None:
            self._topics = Topics(self._settings, self._routes)
        self._topics.refresh()
        self._looked = time.monotonic()
        self._report.well("kafka", f"Kafka at {self._settings.brokers} answers again")
        for name in self._routes:
            self._tell_of_topic(name, self._topics)
        if self._assignment is not None:
            self._assignment.release_replaced(self._topics.found)
            self._note_ends(self._assignment)
        wanted = tuple(sorted({*self._subscribed, *self._topics.found}))
        if wanted != self._subscribed and (len(wanted) == len(self._routes) or not self._once):
            self._subscribe(wanted, self._topics)

    def _tell_of_topic(self, name: str, topics: Topics) -> None:
        if name in topics.found:
            self._report.well(f"topic {name}", f"topic {name} is there")
        elif name in topics.refused:
            refusal = topics.refused[name]
            if found := lasting(refusal, self._settings.brokers):
                raise found
            self._report.trouble(
                f"topic {name}",
                f"the brokers cannot tell of topic {name} ({reason(refusal)}); trying again",
                topic=name,
            )
        else:
            self._report.trouble(
                f"topic {name}",
                f"there is no topic {name} on {self._settings.brokers}: make it with Kafka's tools, or with "
                f"`millstream load … --to kafka://{self._settings.brokers}/{name} --partitions 6`; waiting for it",
                topic=name,
            )

    def _subscribe(self, names: tuple[str, ...], topics: Topics) -> None:
        if self._kafka is None or self._assignment is None:
            self._kafka = self._settings.consumer(self._batch, grouped=not self._once)
            holder = f"{socket.gethostname()}:{os.getpid()}"
            self._assignment = Assignment(self._kafka, self._report, self._begin, holder)
        if self._once:
            places = [PartitionId(name, number) for name in names for number in topics.found[name].partitions]
            self._kafka.assign([theirs(place) for place in places])
            self._assignment.give(places)
        else:
            self._kafka.subscribe(names, listener=listener(self._assignment))
        self._subscribed = names

    def _note_ends(self, assignment: Assignment) -> None:
        """Write down where the logs end, for those who watch the lag."""
        if self._conn is None:
            return
        with self._conn.transaction():
            for place, held in sorted(assignment.held.items()):
                if held.end is not None:
                    self._offsets[place.topic].see(place, held.claim, held.end)

    def _lose_kafka(self, error: KafkaError) -> None:
        from kafka.errors import LogTruncationError, OffsetOutOfRangeError

        if isinstance(error, OffsetOutOfRangeError | LogTruncationError) and self._assignment is not None:
            details = error.divergent_offsets if isinstance(error, LogTruncationError) else error.args[0]
            for place in [PartitionId(*found) for found in details]:
                held = self._assignment.held.get(place)
                at = "what was read last" if held is None else f"offset {held.next_offset:,}"
                self._assignment.release([place], f"its log does not have {at}")
            return
        if (found := lasting(error, self._settings.brokers)) is not None:
            raise found from error
        self._report.trouble(
            "kafka",
            f"Kafka at {self._settings.brokers} does not answer ({reason(error)}); nothing is lost, reading goes on when "
            "it does. Start it, or check --brokers and the security settings",
        )
        self._looked = float("-inf")
        if not error.retriable:
            self._close_kafka()

    def _close_kafka(self) -> None:
        """Leave the group and forget what it gave."""
        kafka, self._kafka, self._assignment, self._subscribed = self._kafka, None, None, ()
        topics, self._topics = self._topics, None
        if topics is not None:
            topics.close()
        if kafka is not None:
            kafka.close(autocommit=False, timeout_ms=CLOSE_MS)

    # Messages.

    def _hold_back(self, kafka: KafkaConsumer, assignment: Assignment, conn: psycopg.Connection) -> None:
        """Pause while too much waits for a tick."""
        if self._backlog.look(conn):
            kafka.pause(*map(theirs, assignment.held))
            self._report.trouble(
                "views",
                f"{self._backlog.rows:,} rows wait for the worker, which is as many as may (--max-queued): reading waits. "
                "See `millstream status`; `millstream up` starts the worker",
            )
        elif paused := [place for place in assignment.held if theirs(place) in kafka.paused()]:
            kafka.resume(*map(theirs, paused))
            self._report.well("views", "the worker has caught up, reading goes on")

    def _write(self, found: dict[Any, list[Any]], assignment: Assignment, conn: psycopg.Connection) -> None:
        """Commit messages and offsets together; where another consumer took over, nothing."""
        polled = {PartitionId(*place): records for place, records in found.items()}
        mine = {place: records for place, records in polled.items() if place in assignment.held and records}
        if not mine:
            return
        batches = []
        for topic, route in self._routes.items():
            parts = {place: records for place, records in mine.items() if place.topic == topic}
            if parts:
                moves = [self._move(place, records, assignment) for place, records in parts.items()]
                messages = [record for records in parts.values() for record in records]
                batches.append(MessageBatch(route, self._offsets[topic], messages, moves))
        try:
            refused = write(conn, batches)
        except Fenced as fenced:
            self._yield(fenced.partitions, mine, assignment)
            return
        for place, records in mine.items():
            assignment.held[place].next_offset = records[-1].offset + 1
        count = sum(len(batch.messages) for batch in batches)
        self.result.messages += count
        self.result.refused += refused
        self._backlog.add(count)
        if refused:
            self._report.say(
                "refused",
                f"{refused:,} messages were refused by the database; they are in millstream.dead_row with the error",
                messages=refused,
            )

    def _move(self, place: PartitionId, records: Sequence[Any], assignment: Assignment) -> Move:
        assert self._kafka is not None
        end = self._kafka.highwater(theirs(place))
        claim = assignment.held[place].claim
        return Move(place, claim, records[0].offset, records[-1].offset + 1, end, len(records))

    def _yield(
        self, taken: Sequence[PartitionId], polled: dict[PartitionId, list[Any]], assignment: Assignment
    ) -> None:
        names = ", ".join(map(str, sorted(taken)))
        if self._once:
            raise MillstreamError(
                f"another consumer reads {names}\n  hint: stop it, or let it read: one at a time reads a partition"
            )
        assignment.leave(taken, polled)
        self._report.say("fenced", f"another consumer has taken over {names}; nothing was written twice")
