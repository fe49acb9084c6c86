"""What `load` and `replay` are given alike."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

from loaders.commands.mapping_options import file_given
from loaders.commands.mapping_told import require_columns, told
from loaders.commands.options import TO_EVENTS_RAW, Command
from loaders.commands.reports import echo
from loaders.formats.registry import open_source
from loaders.kafka.address import KafkaAddress
from loaders.kafka.topic import KafkaTopic, read_properties
from loaders.mapping.arguments import MapOptions
from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.target.address import find_home, writer_dsn
from loaders.target.connection import WriterConnection
from loaders.target.rejects import Rejects, RejectsFile, RejectsRelation


@dataclass(frozen=True)
class Given:
    """A log and the mapping of its columns, where its events and its rejected rows go, and how the result is told."""

    source_format: str
    path: Path | None
    columns: MapOptions
    since: datetime | None
    until: datetime | None
    limit: int | None
    to: KafkaAddress | None
    partitions: int | None
    properties: Path | None
    rejects_to: str | None
    dsn: str | None
    home: Path | None
    progress: bool
    as_json: bool

    def with_file(self) -> Given:
        """Take a path that stands in the place of the format. Raises LoaderError for what looks like one and is no file."""
        source_format, path = file_given(self.source_format, self.path)
        return replace(self, source_format=source_format, path=path)

    @property
    def folder(self) -> Path:
        """The home directory."""
        return find_home(self.home)

    @property
    def address(self) -> str:
        """The DSN of the writer role. Raises LoaderError with the remedy if none is known."""
        return writer_dsn(self.dsn, self.folder)

    def open_log(self) -> EventLog:
        """Open the log. Raises LoaderError for an unknown format, and where a column without which there is no row is not mapped."""
        log = open_source(
            self.source_format, self.path, since=self.since, until=self.until, limit=self.limit, columns=self.columns
        )  # fmt: skip
        require_columns(log, self.source_format)
        echo(told(log), err=True)
        return log

    def open_topic(self, to: KafkaAddress) -> KafkaTopic:
        """Connect to the brokers. Raises LoaderError if none answers or lets the user in, or the topic is missing."""
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters is raised
        properties = read_properties(self.properties) if self.properties else None
        return KafkaTopic(to, partitions=self.partitions, properties=properties)

    def rejects_file(self, log: EventLog) -> RejectsFile:
        """The file in which rejected rows are kept. Raises LoaderError where `events_raw` is given instead."""
        if self.rejects_to == TO_EVENTS_RAW:
            raise LoaderError(
                f"--rejects {TO_EVENTS_RAW} writes to the server and --to to Kafka: give a file"
            )
        return RejectsFile(
            Path(self.rejects_to) if self.rejects_to else self.folder / "rejects" / f"{log.name}.jsonl"
        )

    def rejects(self, log: EventLog, target: WriterConnection) -> Rejects:
        """Where rejected rows are kept: a file, or `events_raw` on the server."""
        return RejectsRelation(target) if self.rejects_to == TO_EVENTS_RAW else self.rejects_file(log)


def given_alike(command: Command) -> Command:
    """Give a command these options together, as `given`."""
    names = [field.name for field in fields(Given)]

    @wraps(command)
    def gathered(**options: Any) -> None:
        given = Given(**{name: options.pop(name) for name in names})
        command(given=given, **options)

    return gathered
