"""Kafka topics into source relations of the embedded engine, each message exactly once.

A message is appended to the queue of its relation in the transaction that also moves the offset of its partition
(`offsets.py`); so what was read and where to go on are never told apart by a crash. The consumer group of Kafka only
shares the partitions out among consumers; it stores nothing.
"""

from __future__ import annotations
