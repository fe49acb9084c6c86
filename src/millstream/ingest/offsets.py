"""Offsets in the database, and the claim that fences a consumer which has lost its partition without knowing.

Every take-over raises the partition's claim number. A transaction moves an offset only under the number that its
consumer was given, so of two consumers that believe in owning a partition one fails, whatever the group says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import psycopg

from millstream.engine.catalog.install import INSTALL_LOCK, install


class PartitionId(NamedTuple):
    """One partition of a topic; kafka-python's TopicPartition has the same values."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True)
class Claim:
    """What a take-over found: the number to write under, and where the last holder stopped (None: nobody began)."""

    number: int
    next_offset: int | None
    topic_id: str | None


@dataclass(frozen=True)
class Move:
    """Messages of one partition that were read: from `first` on, up to before `next_offset`."""

    partition: PartitionId
    claim: int
    first: int
    next_offset: int
    log_end: int | None
    messages: int


class Fenced(Exception):
    """Another consumer has taken partitions over; nothing of the transaction may be committed."""

    def __init__(self, partitions: Sequence[PartitionId]) -> None:
        super().__init__(", ".join(map(str, partitions)))
        self.partitions = tuple(partitions)


class Offsets:
    """The offsets of one source relation. Methods run in the caller's transaction."""

    def __init__(self, conn: psycopg.Connection, schema: str, relation: str) -> None:
        self.conn = conn
        self.place = (schema, relation)

    def is_known(self, topic: str) -> bool:
        """Tell whether a partition of the topic was read before."""
        row = self.conn.execute(
            "select exists (select from millstream.kafka_partition where (schema_name, relation_name) = (%s, %s)"
            " and topic = %s and next_offset is not null)",
            [*self.place, topic],
        ).fetchone()
        return bool(row and row[0])

    def claim(self, partition: PartitionId, holder: str) -> Claim:
        """Take a partition over; waits for the transaction that its holder is in."""
        row = self.conn.execute(
            "insert into millstream.kafka_partition as p (schema_name, relation_name, topic, partition, claim, claimed_by)"
            " values (%s, %s, %s, %s, 1, %s) on conflict (schema_name, relation_name, topic, partition)"
            " do update set claim = p.claim + 1, claimed_by = excluded.claimed_by"
            " returning claim, next_offset, topic_id",
            [*self.place, partition.topic, partition.number, holder],
        ).fetchone()
        assert row is not None
        return Claim(*row)

    def begin(self, partition: PartitionId, claim: int, topic_id: str | None, offset: int) -> None:
        """Set where reading begins: of a partition that is new, or whose log no longer has the stored offset."""
        moved = self.conn.execute(
            "update millstream.kafka_partition set next_offset = %s, topic_id = %s, log_end = null"
            " where (schema_name, relation_name, topic, partition) = (%s, %s, %s, %s) and claim = %s",
            [offset, topic_id, *self.place, partition.topic, partition.number, claim],
        )
        if moved.rowcount != 1:
            raise Fenced([partition])

    def move(self, moves: Iterable[Move]) -> None:
        """Move offsets on. Raises Fenced where a claim is no longer ours or a message was counted before."""
        wanted = sorted(
            moves, key=lambda move: move.partition
        )  # one order for all, or two could wait for each other
        lost = []
        for move in wanted:
            moved = self.conn.execute(
                "update millstream.kafka_partition set next_offset = %s, log_end = %s, messages = messages + %s,"
                " moved_at = clock_timestamp() where (schema_name, relation_name, topic, partition) = (%s, %s, %s, %s)"
                " and claim = %s and next_offset <= %s",
                [
                    move.next_offset,
                    move.log_end,
                    move.messages,
                    *self.place,
                    move.partition.topic,
                    move.partition.number,
                    move.claim,
                    move.first,
                ],
            )
            if moved.rowcount != 1:
                lost.append(move.partition)
        if lost:
            raise Fenced(lost)

    def see(self, partition: PartitionId, claim: int, log_end: int) -> None:
        """Note where the log ends, for those who watch the lag."""
        self.conn.execute(
            "update millstream.kafka_partition set log_end = %s where (schema_name, relation_name, topic, partition) ="
            " (%s, %s, %s, %s) and claim = %s and log_end is distinct from %s",
            [log_end, *self.place, partition.topic, partition.number, claim, log_end],
        )


def install_partitions(conn: psycopg.Connection) -> None:
    """Make the table of offsets where it is missing, and the engine's catalogue before it."""
    install(conn)
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
        conn.execute(files("millstream.ingest").joinpath("partitions.sql").read_bytes())
