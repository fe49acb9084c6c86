"""Values and options that the commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from loaders.formats.registry import summaries
from loaders.kafka.address import KafkaAddress, read_address
from loaders.schema.errors import LoaderError
from loaders.target.address import HOME_VARIABLE, VARIABLE

Command = Callable[..., None]
TO_EVENTS_RAW = "events_raw"


def with_formats(text: str | None, *more: tuple[str, str]) -> str:
    """Put the list of formats after a command's help; `more` are formats that only this command knows."""
    formats = [*summaries().items(), *more]
    listed = "".join(f"\n  {name:<16} {summary}" for name, summary in formats)
    return f"{cleandoc(text or '')}\n\n\b\nFormats:{listed}"


class Moment(click.ParamType[datetime]):
    """A date or an ISO 8601 time; without a zone it is UTC. `now` is the moment at which the command starts."""

    name = "date"

    def __init__(self, *, now: bool = False) -> None:
        self.now = now

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the text, or fail with what it should look like."""
        if isinstance(value, datetime):
            return value
        if self.now and value == "now":
            return datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            words = "'now', a date" if self.now else "a date"
            self.fail(
                f"{value!r} is not {words} such as 2017-03-20 or a time such as 2017-03-20T08:30:00Z",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Speed(click.ParamType[float]):
    """A multiple of the log's own pace, such as 60x."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read "60x" or "60"."""
        try:
            return float(value.removesuffix("x")) if isinstance(value, str) else float(value)
        except ValueError:
            self.fail(f"{value!r} is not a speed such as 60x", param, ctx)


class ToKafka(click.ParamType[KafkaAddress]):
    """Brokers and a topic, such as kafka://localhost:9092/events."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> KafkaAddress:
        """Read the address."""
        if isinstance(value, KafkaAddress):
            return value
        try:
            return read_address(value)
        except LoaderError as error:
            self.fail(str(error), param, ctx)


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join option decorators into one; they show in the help in this order."""
    return lambda command: reduce(lambda made, decorate: decorate(made), reversed(decorators), command)


server = options(
    click.option(
        "--dsn",
        metavar="DSN",
        help=f"The server, as the writer role.  [{VARIABLE}, else the home's server.json]",
    ),
    click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"The home directory.  [{HOME_VARIABLE}, else .millstream]",
    ),
)
output = options(
    click.option(
        "--progress/--no-progress", default=True, help="Show progress bars on standard error.  [on]"
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
)
log = options(
    click.argument("source_format", metavar="FORMAT"),
    click.argument("path", required=False, type=click.Path(path_type=Path)),
    click.option(
        "--since", type=Moment(), help="First moment of the log to take (log time, inclusive, UTC)."
    ),
    click.option("--until", type=Moment(), help="Moment of the log to stop at (log time, exclusive, UTC)."),
    click.option("--limit", type=click.IntRange(min=1), help="Take this many events and no more."),
)
rejected = click.option(
    "--rejects", "rejects_to", metavar="PATH",
    help=f"Where rejected rows go: a file, or '{TO_EVENTS_RAW}'.  [HOME/rejects/FORMAT.jsonl]",
)  # fmt: skip
kafka = options(
    click.option(
        "--to",
        type=ToKafka(),
        metavar="ADDRESS",
        help="Send the events to Kafka instead of the server: kafka://HOST:PORT/TOPIC.",
    ),
    click.option(
        "--partitions",
        type=click.IntRange(min=1),
        help="With --to: make the topic with so many partitions if there is none.",
    ),
    click.option(
        "--properties",
        type=click.Path(exists=True, path_type=Path, dir_okay=False),
        help="With --to: file of NAME=VALUE settings of the Kafka client: security.protocol, sasl.mechanism, "
        "sasl.plain.username and .password, ssl.cafile …; each may be a variable instead, such as "
        "MILLSTREAM_KAFKA_SASL_PLAIN_PASSWORD.",
    ),
)
