"""The partitions that this consumer reads: given by the group, claimed in the database, moved to the stored offset.

A partition that was given is paused until it is claimed. Claims are lost to a rebalance, to another consumer's claim,
to a database that went away (what it committed last is only known when it is back), and to a log that is not the one
that was read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from millstream.errors import MillstreamError
from millstream.ingest.offsets import Claim, Offsets, PartitionId
from millstream.ingest.report import Report
from millstream.ingest.topics import Topic

if TYPE_CHECKING:
    from kafka import KafkaConsumer

ASK_MS = 5_000
SHORT_SECONDS = 5.0  # how long a log may end before our offset: a new leader can be behind for a moment
FENCED_SECONDS = 10.0  # how long a partition is left to whoever took it, before the group's word counts again

OffsetsOf = Callable[[str], Offsets]


@dataclass
class Held:
    """A claimed partition. `end` is where its log ends, `target` where it ended when it was claimed; None: not known."""

    claim: int
    topic_id: str | None
    next_offset: int
    end: int | None = None
    target: int | None = None
    short_since: float | None = None


class Lost(MillstreamError):
    """The log no longer has what comes next; only the user can say where to go on."""


class Assignment:
    """What one Kafka client was given. `begin` is 'earliest', 'latest' or None, as for the consumer."""

    def __init__(self, kafka: KafkaConsumer, report: Report, begin: str | None, holder: str) -> None:
        self._kafka = kafka
        self._report = report
        self._begin = begin
        self._holder = holder
        self.held: dict[PartitionId, Held] = {}
        self._waiting: set[PartitionId] = set()
        self._fenced: dict[PartitionId, float] = {}
        self._gone: dict[PartitionId, str] = {}

    @property
    def is_settled(self) -> bool:
        """Whether everything that was given is claimed."""
        return bool(self.held) and not self._waiting and not self._fenced

    # What the group says.

    def give(self, places: Iterable[PartitionId]) -> None:
        """Hold partitions until they are claimed; the offset 0 only keeps the client from looking for one."""
        for place in places:
            self._kafka.pause(theirs(place))
            self._kafka.seek(theirs(place), 0)
            self._waiting.add(place)

    def take(self, places: Iterable[PartitionId]) -> None:
        """Forget partitions that are another consumer's now."""
        for place in places:
            self.held.pop(place, None)
            self._fenced.pop(place, None)
            self._waiting.discard(place)

    # Losing a claim and getting one.

    def release(self, places: Iterable[PartitionId], why: str | None = None) -> None:
        """Hold partitions until they are claimed anew; `why` says what is wrong with their log."""
        for place in list(places):
            self._kafka.pause(theirs(place))
            self.held.pop(place, None)
            self._waiting.add(place)
            if why is not None:
                self._gone[place] = why

    def leave(self, taken: Iterable[PartitionId], polled: Iterable[PartitionId]) -> None:
        """Leave partitions to the consumer that claimed them, for a while; read again what was polled of the others."""
        taken = set(taken)
        for place in polled:
            if place in taken:
                self._kafka.pause(theirs(place))
                self.held.pop(place, None)
                self._fenced[place] = time.monotonic() + FENCED_SECONDS
            else:
                self._kafka.seek(theirs(place), self.held[place].next_offset)

    def claim(self, conn: psycopg.Connection, offsets_of: OffsetsOf, topics: Mapping[str, Topic]) -> None:
        """Claim what was given, and move to where the last holder stopped.

        Raises Lost where a log does not have that offset and nobody said where to go on.
        """
        self._waiting |= {place for place, until in self._fenced.items() if time.monotonic() >= until}
        self._fenced = {place: until for place, until in self._fenced.items() if place not in self._waiting}
        places = sorted(place for place in self._waiting if place.topic in topics)
        if not places:
            return
        oldest = self._edges(self._kafka.beginning_offsets, places)
        newest = self._edges(self._kafka.end_offsets, places) if self._begin == "latest" else oldest
        claimed: dict[PartitionId, Held] = {}
        with conn.transaction():
            known = {name: offsets_of(name).is_known(name) for name in {place.topic for place in places}}
            for place in places:
                offsets, topic = offsets_of(place.topic), topics[place.topic]
                claim = offsets.claim(place, self._holder)
                offset = claim.next_offset
                if offset is None:  # a partition that was added to a known topic begins where it begins
                    offset = oldest[place] if known[place.topic] else newest[place]
                    offsets.begin(place, claim.number, topic.id, offset)
                elif why := self._why_lost(place, claim, topic, oldest[place]):
                    self._refuse_or_tell(place, why)
                    offset = newest[place]
                    offsets.begin(place, claim.number, topic.id, offset)
                claimed[place] = Held(claim.number, topic.id, offset)
        for place, held in claimed.items():
            self._kafka.seek(theirs(place), held.next_offset)
            self._kafka.resume(theirs(place))
            self._gone.pop(place, None)
        self.held |= claimed
        self._waiting -= set(claimed)
        parts = [f"{place} from offset {held.next_offset:,}" for place, held in claimed.items()]
        self._report.say(
            "assigned",
            f"reading {', '.join(parts)}",
            partitions={str(place): held.next_offset for place, held in claimed.items()},
        )

    def _edges(self, ask: Callable[..., Any], places: Iterable[PartitionId]) -> dict[PartitionId, int]:
        found = ask([theirs(place) for place in places], timeout_ms=ASK_MS)
        return {PartitionId(*place): int(offset) for place, offset in found.items()}

    def _why_lost(self, place: PartitionId, claim: Claim, topic: Topic, oldest: int) -> str | None:
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

    def _refuse_or_tell(self, place: PartitionId, why: str) -> None:
        if self._begin is None:
            raise Lost(
                f"{place} cannot be read on: {why}\n"
                "  hint: decide where to go on, once: --from earliest reads what the log has (events that are known "
                "already count once), --from latest skips it"
            )
        self._report.say(
            "reset", f"{place}: {why}; going on from the {self._begin} message", partition=str(place), why=why
        )

    # How far.

    def look_at_ends(self) -> None:
        """Learn where the logs end from what was fetched; release what ends before that which was read."""
        for place, held in list(self.held.items()):
            end = self._kafka.highwater(theirs(place))
            if end is None:
                continue
            held.end = end
            held.target = end if held.target is None else held.target
            if end >= held.next_offset:
                held.short_since = None
                continue
            held.short_since = held.short_since or time.monotonic()
            if time.monotonic() - held.short_since > SHORT_SECONDS:
                self.release(
                    [place], f"its log ends at {end:,}, before offset {held.next_offset:,} that was reached"
                )

    def release_replaced(self, topics: Mapping[str, Topic]) -> None:
        """Release the partitions of topics that were deleted and made again."""
        self.release(
            place
            for place, held in self.held.items()
            if place.topic in topics and held.topic_id != topics[place.topic].id
        )

    def lag(self) -> int | None:
        """Count the messages that are not read yet; None while it is not known."""
        behind = [held.end - held.next_offset for held in self.held.values() if held.end is not None]
        return sum(max(0, count) for count in behind) if behind and len(behind) == len(self.held) else None

    def is_at_target(self) -> bool:
        """Whether everything is read that was there when it was claimed."""
        return self.is_settled and all(
            held.target is not None
            and held.short_since is None
            and self._kafka.position(theirs(place)) >= held.target
            for place, held in self.held.items()
        )

    def is_at_open_transaction(self) -> bool:
        """Whether all is read up to transactions that are still open; asks the brokers where these begin."""
        places = list(self.held)
        stable = self._edges(self._kafka.end_offsets, places)
        return self.is_settled and all(
            self._kafka.position(theirs(place)) >= stable[place] for place in places
        )


def theirs(place: PartitionId) -> Any:
    """Give a partition as the client's own type, which it insists on."""
    from kafka import TopicPartition

    return TopicPartition(*place)


def listener(assignment: Assignment) -> Any:
    """Tell an assignment what a rebalance gives and takes."""
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
            assignment.take([PartitionId(*place) for place in revoked])

        def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
            assignment.give([PartitionId(*place) for place in assigned])

    return Listener()
