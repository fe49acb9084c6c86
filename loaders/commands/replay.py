"""`replay`: an event log live, each event when it is due, into the server or to Kafka."""

from __future__ import annotations

from datetime import datetime

import click

from loaders.commands.given import Given, given_alike
from loaders.commands.mapping_options import mapped
from loaders.commands.options import Moment, Speed, kafka, log, output, rejected, server, with_formats
from loaders.commands.reports import fail_without_events, print_produced, print_replay
from loaders.commands.running import errors_told, stop_on_interrupt
from loaders.kafka.send import send_to_kafka
from loaders.loading.replay import BATCH
from loaders.loading.replay import replay as replay_log
from loaders.loading.schedule import Schedule
from loaders.schema.errors import LoaderError
from loaders.target.connection import WriterConnection


@click.command(epilog="Example: millstream replay completejourney --since 2017-03-20 --speed 600x")
@log
@mapped
@click.option("--speed", type=Speed(), help="Multiple of the log's own pace.  [1x]")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second, instead of a speed."
)
@click.option(
    "--stamp-now", is_flag=True, help="Let every event happen when it is sent, not when the log says."
)
@click.option(
    "--shift-to",
    type=Moment(now=True),
    help="When the first event happens, if no part of this log is loaded ('now' or a date).",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000),
    default=BATCH,
    show_default=True,
    help="Most events in one INSERT.",
)
@kafka
@rejected
@server
@output
@given_alike
def replay(
    given: Given,
    *,
    speed: float | None,
    rate: float | None,
    stamp_now: bool,
    shift_to: datetime | None,
    batch: int,
) -> None:
    """Replay the event log at PATH live: each event is sent when it is due, at a multiple of the log's own pace.

    Events that are there already are left out, so a replay goes on after the last one, and a replay after a load starts
    where the load ended, moved by the same offset. The schedule does not wait for the server: a lag is shown, not hidden.
    Ctrl-C stops after the events that are under way. With --to the events go to a Kafka topic, from --since on.
    The exit status is that of load: 2 when every row was rejected or left out.
    """
    speed = speed if speed or rate else 1.0
    with errors_told(), stop_on_interrupt() as stop:
        given = given.with_file()
        if given.to is not None:
            log = given.open_log()
            schedule = Schedule(speed, rate)
            rejects = given.rejects_file(log)
            with given.open_topic(given.to) as topic, rejects:
                produced = send_to_kafka(
                    topic, log, schedule=schedule, stamp_now=stamp_now, rejects=rejects, stop=stop,
                    begin_at=shift_to, show_progress=given.progress,
                )  # fmt: skip
            print_produced(produced, given.to, rejects, as_json=given.as_json)
            fail_without_events(log, given.source_format, produced.sent, produced.rejected)
            return
        if given.partitions or given.properties:
            raise LoaderError("--partitions and --properties are for Kafka: give the topic with --to")
        address = given.address
        log = given.open_log()
        with WriterConnection(address) as target, given.rejects(log, target) as kept:
            replayed = replay_log(
                address, log, speed=speed, rate=rate, stamp_now=stamp_now, shift_to=shift_to, rejects=kept, stop=stop,
                batch=batch, show_progress=given.progress,
            )  # fmt: skip
        print_replay(replayed, kept, as_json=given.as_json)
        fail_without_events(
            log, given.source_format, replayed.sent + replayed.already_there, replayed.rejected
        )


replay.help = with_formats(replay.help)
