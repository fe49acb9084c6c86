"""Reads topics into their relations until told to stop; whatever goes away is waited for and nothing is lost.

The loop is one thread: what a poll returned is committed before the next poll, and only a poll can give or take
partitions. A partition that the group gives is paused until it is claimed in the database and moved to the offset
that is stored there.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from millstream.errors import MillstreamError
from millstream.ingest.backlog import Backlog
from millstream.ingest.client import Settings, reason
from millstream.ingest.offsets import Claim, Fenced, Move, Offsets, Partition, install_partitions
from millstream.ingest.report import Report
from millstream.ingest.routes import Route, find_routes
from millstream.ingest.topics import Topic, Topics
from millstream.ingest.write import Batch, write

if TYPE_CHECKING:
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError

BATCH = 5_000
MAX_QUEUED = 100_000
POLL_MS = 200
RETRY_SECONDS = 0.5
LOOK_SECONDS = 2.0  # how often brokers are asked about the topics
SHORT_SECONDS = 5.0  # how long a log may end before our offset: a new leader can be behind for a moment
FENCED_SECONDS = 10.0  # how long a partition is left to whoever took it, before the group's word counts again
CLOSE_MS = 2_000


class TopicPartition(NamedTuple):
    """kafka-python's own tuple, equal to it."""

    topic: str
    partition: int


@dataclass
class Consumed:
    """What a run did: messages queued, how many of them the relation refused, and seconds."""

    messages: int = 0
    refused: int = 0
    seconds: float = 0.0


class Lost(MillstreamError):
    """The log no longer has what comes next; only the user can say where to go on."""


class Consumer:
    """Reads the topics of some routes. `connect` gives a connection of the owner, in autocommit.

    `begin` says where a partition begins that nobody has read: 'earliest' (also for None) or 'latest'. Where it is
    given it also says where a partition goes on whose log no longer has the stored offset, which otherwise stops the
    consumer. With `once` it reads what is there now and ends; it then takes all partitions and joins no group.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        settings: Settings,
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
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._conn: psycopg.Connection | None = None
        self._kafka: KafkaConsumer | None = None
        self._topics: Topics | None = None
        self._looked = float("-inf")
        self._routes: dict[str, Route] = {}
        self._offsets: dict[Route, Offsets] = {}
        self._backlog = Backlog((), max_queued)
        self._subscribed: tuple[str, ...] = ()
        self._unclaimed: set[TopicPartition] = set()
        self._claims: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._targets: dict[TopicPartition, int] = {}
        self._ids: dict[str, str | None] = {}
        self._short: dict[TopicPartition, float] = {}
        self._gone: dict[TopicPartition, str] = {}
        self._fenced: dict[TopicPartition, float] = {}
        self.result = Consumed()

    def run(self, stop: threading.Event) -> Consumed:
        """Read until `stop` is set, or with `once` to the end of every partition.

        Raises MillstreamError where there is nothing to read into, and Lost where messages are gone from a log.
        """
        from kafka.errors import KafkaError

        began = time.monotonic()
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
        finally:
            self._close()
        self.result.seconds = time.monotonic() - began
        return self.result

    def _step(self, stop: threading.Event) -> None:
        if self._conn is None:
            try:
                self._open_database()
            except MillstreamError as error:  # it was there, so it may come back
                raise psycopg.OperationalError(str(error)) from error
        self._look_at_topics()
        if not self._subscribed:
            stop.wait(RETRY_SECONDS)
            return
        assert self._kafka is not None
        self._claim()
        self._hold_back()
        found = self._kafka.poll(timeout_ms=POLL_MS, max_records=self._batch)
        self._write(found)
        self._look_at_ends()
        self._show()

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
        self._offsets = {route: Offsets(conn, route.schema, route.relation) for route in routes}
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
        self._unclaim(list(self._claims))

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
            self._tell_of_topic(name)
        for name, topic in self._topics.found.items():
            if name in self._ids and self._ids[name] != topic.id:
                self._unclaim([place for place in self._claims if place.topic == name])
        wanted = tuple(sorted({*self._subscribed, *self._topics.found}))
        complete = len(wanted) == len(self._routes) or not self._once
        if wanted and complete and (self._kafka is None or wanted != self._subscribed):
            self._subscribe(wanted)
        self._note_ends()

    def _tell_of_topic(self, name: str) -> None:
        assert self._topics is not None
        refused = self._topics.refused.get(name)
        if name in self._topics.found:
            self._report.well(f"topic {name}", f"topic {name} is there")
        elif refused:
            self._report.trouble(
                f"topic {name}",
                f"the brokers refuse topic {name} ({refused}): let the user read and describe it; trying again",
                topic=name,
            )
        else:
            self._report.trouble(
                f"topic {name}",
                f"there is no topic {name} on {self._settings.brokers}: make it (kafka-topics.sh --create --topic {name} "
                "--partitions 6, or `millstream load … --to kafka://… --partitions 6`); waiting for it",
                topic=name,
            )

    def _subscribe(self, names: tuple[str, ...]) -> None:
        assert self._topics is not None
        if self._kafka is None:
            self._kafka = self._settings.consumer(self._batch, grouped=not self._once)
        if self._once:
            places = [
                TopicPartition(name, number)
                for name in names
                for number in self._topics.found[name].partitions
            ]
            self._kafka.assign(_kafkas(places))
            self._given_partitions(places)
        else:
            self._kafka.subscribe(names, listener=_listener(self._given_partitions, self._taken_partitions))
        self._subscribed = names

    def _given_partitions(self, places: Iterable[TopicPartition]) -> None:
        """Hold partitions until they are claimed; the offset 0 only keeps the client from looking for one."""
        assert self._kafka is not None
        for place in places:
            self._kafka.pause(*_kafkas([place]))
            self._kafka.seek(*_kafkas([place]), 0)
            self._unclaimed.add(TopicPartition(*place))

    def _taken_partitions(self, places: Iterable[TopicPartition]) -> None:
        for place in places:
            self._forget(place)
            self._unclaimed.discard(place)
            self._fenced.pop(place, None)

    def _forget(self, place: TopicPartition) -> None:
        for known in (self._claims, self._next, self._ends, self._short):
            known.pop(place, None)

    def _unclaim(self, places: Iterable[TopicPartition]) -> None:
        """Hold partitions that are ours until they are claimed anew."""
        for place in places:
            if self._kafka is not None:
                self._kafka.pause(*_kafkas([place]))
            self._forget(place)
            self._unclaimed.add(place)

    def _lose_kafka(self, error: KafkaError) -> None:
        from kafka.errors import LogTruncationError, OffsetOutOfRangeError

        if isinstance(error, OffsetOutOfRangeError | LogTruncationError):
            details = error.divergent_offsets if isinstance(error, LogTruncationError) else error.args[0]
            for place in [TopicPartition(*found) for found in details]:
                self._gone[place] = f"its log does not have offset {self._next.get(place)}"
                self._unclaim([place])
            return
        self._report.trouble(
            "kafka",
            f"Kafka at {self._settings.brokers} does not answer ({reason(error)}); nothing is lost, reading goes on when "
            "it does. Start it, or check --brokers and the security settings",
        )
        self._looked = float("-inf")
        if not error.retriable:
            self._close_kafka()

    # Claims.

    def _claim(self) -> None:
        """Claim what the group gave, and move to where the last holder stopped."""
        for place, until in list(self._fenced.items()):
            if time.monotonic() >= until:
                del self._fenced[place]
                self._unclaimed.add(place)
        assert self._kafka is not None and self._conn is not None and self._topics is not None
        places = sorted(place for place in self._unclaimed if place.topic in self._topics.found)
        if not places:
            return
        oldest = self._edges(self._kafka.beginning_offsets, places)
        newest = self._edges(self._kafka.end_offsets, places) if self._begin == "latest" else {}
        claimed: dict[TopicPartition, tuple[int, int]] = {}
        with self._conn.transaction():
            known = {name: self._of(name).is_known(name) for name in {place.topic for place in places}}
            for place in places:
                offsets, partition = self._of(place.topic), Partition(*place)
                topic = self._topics.found[place.topic]
                claim = offsets.claim(partition, self._holder)
                offset = claim.next_offset
                why = None if offset is None else self._why_gone(place, claim, topic, oldest[place])
                if why is not None:
                    self._refuse_or_tell(place, why)
                if offset is None or why is not None:
                    from_end = self._begin == "latest" and (why is not None or not known[place.topic])
                    offset = newest[place] if from_end else oldest[place]
                    offsets.begin(partition, claim.number, topic.id, offset)
                elif claim.topic_id is None and topic.id is not None:
                    offsets.begin(partition, claim.number, topic.id, offset)
                claimed[place] = (claim.number, offset)
        for place, (number, offset) in claimed.items():
            self._kafka.seek(*_kafkas([place]), offset)
            self._kafka.resume(*_kafkas([place]))
            self._claims[place], self._next[place] = number, offset
            self._ids[place.topic] = self._topics.found[place.topic].id
            self._gone.pop(place, None)
        self._unclaimed -= set(claimed)
        self._report.say(
            "assigned",
            f"reading {len(claimed)} partitions: "
            + ", ".join(f"{Partition(*place)} from {offset:,}" for place, (_, offset) in claimed.items()),
            partitions={str(Partition(*place)): offset for place, (_, offset) in claimed.items()},
        )

    def _edges(self, ask: Callable[..., Any], places: list[TopicPartition]) -> dict[TopicPartition, int]:
        found = ask(_kafkas(places), timeout_ms=5_000)
        return {TopicPartition(*place): int(offset) for place, offset in found.items()}

    def _of(self, topic: str) -> Offsets:
        return self._offsets[self._routes[topic]]

    def _why_gone(self, place: TopicPartition, claim: Claim, topic: Topic, oldest: int) -> str | None:
        """Say why a stored offset cannot be read on from, or None if it can."""
        assert claim.next_offset is not None
        if claim.topic_id is not None and topic.id is not None and claim.topic_id != topic.id:
            return f"the topic was deleted and made again after offset {claim.next_offset:,} was reached"
        if claim.next_offset < oldest:
            return (
                f"offsets {claim.next_offset:,} to {oldest - 1:,} were deleted by the topic's retention before "
                "they were read"
            )
        return self._gone.get(place)

    def _refuse_or_tell(self, place: TopicPartition, why: str) -> None:
        partition = Partition(*place)
        if self._begin is None:
            raise Lost(
                f"{partition} cannot be read on: {why}\n"
                "  hint: decide where to go on, once: --from earliest reads what the log has (events that are known "
                "already count once), --from latest skips it"
            )
        self._report.say(
            "reset",
            f"{partition}: {why}; going on from the {self._begin} message",
            partition=str(partition),
            why=why,
        )

    # Messages.

    def _hold_back(self) -> None:
        """Pause while too much waits for a tick."""
        assert self._kafka is not None and self._conn is not None
        if self._backlog.look(self._conn):
            self._kafka.pause(*_kafkas(self._claims))
            self._report.trouble(
                "views",
                f"{self._backlog.rows:,} rows wait for the worker, which is as many as may (--max-queued): reading waits. "
                "See `millstream status`; `millstream up` starts the worker",
            )
        elif paused := [place for place in self._claims if place in self._kafka.paused()]:
            self._kafka.resume(*_kafkas(paused))
            self._report.well("views", "the worker has caught up, reading goes on")

    def _write(self, found: dict[Any, list[Any]]) -> None:
        """Commit messages and offsets together; where another consumer took over, nothing."""
        assert self._conn is not None and self._kafka is not None
        polled = {TopicPartition(*place): records for place, records in found.items()}
        mine = {place: records for place, records in polled.items() if place in self._claims and records}
        if not mine:
            return
        batches = [
            Batch(
                route,
                [record for place, records in mine.items() if place.topic == topic for record in records],
                [self._move(place, records) for place, records in mine.items() if place.topic == topic],
            )
            for topic, route in self._routes.items()
            if any(place.topic == topic for place in mine)
        ]
        try:
            refused = write(self._conn, batches, self._offsets)
        except Fenced as fenced:
            self._yield(fenced.partitions, mine)
            return
        for place, records in mine.items():
            self._next[place] = records[-1].offset + 1
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

    def _move(self, place: TopicPartition, records: list[Any]) -> Move:
        assert self._kafka is not None
        return Move(
            Partition(*place),
            self._claims[place],
            records[0].offset,
            records[-1].offset + 1,
            self._kafka.highwater(*_kafkas([place])),
            len(records),
        )

    def _yield(self, lost: Iterable[Partition], polled: Iterable[TopicPartition]) -> None:
        """Leave partitions to the consumer that took them over; read the others' messages again."""
        assert self._kafka is not None
        taken = {TopicPartition(partition.topic, partition.number) for partition in lost}
        names = ", ".join(str(Partition(*place)) for place in sorted(taken))
        if self._once:
            raise MillstreamError(
                f"another consumer reads {names}\n  hint: stop it, or let it read: one at a time reads a partition"
            )
        for place in polled:
            if place in taken:
                self._kafka.pause(*_kafkas([place]))
                self._forget(place)
                self._fenced[place] = time.monotonic() + FENCED_SECONDS
            else:
                self._kafka.seek(*_kafkas([place]), self._next[place])
        self._report.say("fenced", f"another consumer has taken over {names}; nothing was written twice")

    # How far.

    def _look_at_ends(self) -> None:
        """Learn where the logs end from what was fetched; notice a log that ends before what was read."""
        assert self._kafka is not None
        for place, next_offset in list(self._next.items()):
            end = self._kafka.highwater(*_kafkas([place]))
            if end is None:
                continue
            self._ends[place] = end
            self._targets.setdefault(place, end)
            if end >= next_offset:
                self._short.pop(place, None)
            elif time.monotonic() - self._short.setdefault(place, time.monotonic()) > SHORT_SECONDS:
                self._gone[place] = f"its log ends at {end:,}, before offset {next_offset:,} that was reached"
                self._unclaim([place])

    def _note_ends(self) -> None:
        if self._conn is None:
            return
        with self._conn.transaction():
            for place, end in sorted(self._ends.items()):
                if place in self._claims:
                    self._of(place.topic).see(Partition(*place), self._claims[place], end)

    def _lag(self) -> int | None:
        if not self._next or self._ends.keys() < self._next.keys():
            return None
        return sum(max(0, self._ends[place] - offset) for place, offset in self._next.items())

    def _show(self) -> None:
        if self._report.is_due():
            self._report.progress(self.result.messages, self._lag(), self._backlog.rows, len(self._claims))

    def _is_done(self) -> bool:
        """With `once`: whether every partition is read to where it ended when reading began."""
        if not self._once or self._kafka is None or self._unclaimed or not self._claims:
            return False
        return all(
            place in self._targets and self._kafka.position(*_kafkas([place])) >= self._targets[place]
            for place in self._claims
        )

    def _close_kafka(self) -> None:
        """Leave the group and forget what it gave."""
        for place in [*self._claims, *self._unclaimed, *self._fenced]:
            self._taken_partitions([place])
        self._subscribed = ()
        kafka, self._kafka = self._kafka, None
        topics, self._topics = self._topics, None
        if topics is not None:
            topics.close()
        if kafka is not None:
            kafka.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _close(self) -> None:
        self._close_kafka()
        if self._conn is not None:
            self._conn.close()


def _kafkas(places: Iterable[TopicPartition]) -> list[Any]:
    """Give partitions as the client's own type, which it insists on."""
    from kafka import TopicPartition as Theirs

    return [Theirs(*place) for place in places]


def _listener(
    given: Callable[[Iterable[TopicPartition]], None], taken: Callable[[Iterable[TopicPartition]], None]
) -> Any:
    """Tell what a rebalance gives and takes."""
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
            taken([TopicPartition(*place) for place in revoked])

        def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
            given([TopicPartition(*place) for place in assigned])

    return Listener()
