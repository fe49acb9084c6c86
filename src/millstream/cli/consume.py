"""`millstream consume`: Kafka topics into source relations."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import click
import psycopg

from millstream import server
from millstream.cli.words import counted
from millstream.server import Home
from millstream.supervisor.signals import stop_on_signals

BATCH = 5_000
MAX_QUEUED = 100_000
TOPIC_VARIABLE = "MILLSTREAM_KAFKA_TOPIC"


@click.command(name="consume", short_help="Read Kafka topics into source relations, exactly once.")
@click.option(
    "--brokers",
    envvar="MILLSTREAM_KAFKA",
    show_envvar=True,
    default="localhost:9092",
    show_default=True,
    help="Where Kafka is: HOST:PORT, or several with commas.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC=RELATION",
    help=f"A topic and the source relation that it feeds; may be given again.  [${TOPIC_VARIABLE}=events_raw, else "
    "events=events_raw]",
)
@click.option(
    "--group",
    default="millstream",
    show_default=True,
    help="Consumer group that shares out the partitions. It stores no offsets: the database does.",
)
@click.option(
    "--from",
    "begin",
    type=click.Choice(["earliest", "latest"]),
    help="Where a topic begins that was never read, and where a partition goes on whose log no longer has the stored "
    "offset, which otherwise ends the command.  [earliest, and end]",
)
@click.option("--once", is_flag=True, help="Read what is there now, in all partitions, and end.")
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=BATCH,
    show_default=True,
    help="Most messages in one transaction.",
)
@click.option(
    "--max-queued",
    type=click.IntRange(min=1),
    default=MAX_QUEUED,
    show_default=True,
    help="Rows that may wait for the worker; reading waits beyond.",
)
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the Kafka client, such as session.timeout.ms=10000; may be given again. No password.",
)
@click.option(
    "--properties",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of such settings, one a line: security.protocol, sasl.mechanism, sasl.plain.username and .password, "
    "ssl.cafile …; each may be a variable instead, such as MILLSTREAM_KAFKA_SASL_PLAIN_PASSWORD.",
)
@click.option("--progress/--no-progress", default=True, help="Show a progress line on a terminal.  [on]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line on standard output.")
@click.pass_obj
def command(
    home: Home,
    brokers: str,
    topics: tuple[str, ...],
    group: str,
    begin: str | None,
    once: bool,
    batch: int,
    max_queued: int,
    properties: tuple[str, ...],
    file: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Read Kafka topics into source relations, exactly once.

    The offsets are stored in the database, in the transaction that queues the messages, so a crash of anything loses
    and doubles nothing. Several of these share the partitions. What goes away (a broker, the topic, the database, the
    worker) is said once and waited for; what waiting does not mend (a user who is not let in, a codec that is missing, a
    corrupt batch) ends it with status 1 and the remedy. Ctrl-C ends it after the batch that is under way.

    \b
    Example:
      millstream consume --brokers localhost:9092
      millstream consume --brokers kafka-1:9092,kafka-2:9092 --properties kafka.properties --json
    """
    from millstream.ingest.client import KafkaSettings, read_properties
    from millstream.ingest.consumer import Consumer
    from millstream.ingest.report import Report

    def connect() -> psycopg.Connection:
        dsn = server.connect(home.path).dsn("owner")
        return psycopg.connect(
            dsn, autocommit=True, connect_timeout=10, application_name="millstream-consume"
        )

    wanted = topics or (f"{os.environ.get(TOPIC_VARIABLE) or 'events'}=events_raw",)
    settings = KafkaSettings(brokers, group, read_properties(properties, file))
    logging.getLogger("kafka").setLevel(
        logging.CRITICAL
    )  # it tells of every attempt; we tell of every change
    stop = stop_on_signals()
    report = Report(as_json=as_json, progress=progress)
    consumer = Consumer(
        connect, settings, wanted, report, begin=begin, batch=batch, max_queued=max_queued, once=once
    )
    done = consumer.run(stop)
    if as_json:
        fields = {"messages": done.messages, "refused": done.refused, "seconds": round(done.seconds, 3)}
        click.echo(json.dumps({"kind": "done", **fields}))
    else:
        report.say("done", f"{counted(done.messages, 'message')} read ({done.seconds:,.1f} s)")
