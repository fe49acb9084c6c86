"""What a materialized view on RisingWave gains and loses: its subscription, followed past broken connections and deployments.

A model with `change_feed` in its config is deployed with a subscription `<model>_feed`. A position is an rw_timestamp:
milliseconds since 1970, the same for all rows of one checkpoint. What the statements here rely on is documented at
https://docs.risingwave.com/serve/subscription: SINCE includes its timestamp and must lie within the retention; FETCH
without a timeout gives fewer rows than asked for only where there are no more, with a timeout also where it ran out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from millstream.compiler.postgres.names import quote
from millstream.errors import MillstreamError
from millstream.feeds.change import RETRY_SECONDS, Batch, Dsn, Gone, Say, first_line
from millstream.feeds.connection import Away, Denied, Link
from millstream.feeds.fetched import Cutter, as_moment, as_position

SUFFIX = "_feed"
CURSOR = "millstream_watch"
ROWS = 1000  # of one FETCH
WAIT = "1s"  # how long a FETCH waits for a change; whole seconds
CHECK_SECONDS = 5.0  # how often the watcher looks whether the subscription is still the one that it reads
LAG = timedelta(minutes=1)  # more than what one node of RisingWave knows later than another
CLOCK_SECONDS = 0.5  # pause where RisingWave's nodes do not agree on the time
CLOCK_ATTEMPTS = 4

SUBSCRIPTIONS = """select s.name as schema_name, f.name, f.id, f.created_at
from rw_catalog.rw_subscriptions as f
join rw_catalog.rw_schemas as s on s.id = f.schema_id"""

RELATIONS = """select s.name as schema_name, r.name, r.relation_type
from rw_catalog.rw_relations as r
join rw_catalog.rw_schemas as s on s.id = r.schema_id
where s.name not in ('rw_catalog', 'pg_catalog', 'information_schema')"""


@dataclass(frozen=True)
class Subscription:
    """One subscription; a deployment that replaces its view makes another one, with another id, of the same name."""

    schema: str
    name: str
    id: int
    created: datetime | None

    @property
    def model(self) -> str:
        return self.name.removesuffix(SUFFIX)


class Replaced(MillstreamError):
    """The name stands for another subscription now, or for none."""


def batches(
    dsn: Dsn,
    model: str,
    *,
    schema: str = "public",
    after: int | None = None,
    snapshot: bool = False,
    stop: threading.Event | None = None,
    say: Say = lambda _: None,
) -> Iterator[Batch]:
    """Yield what changes in `model` (name or schema.name), one rw_timestamp at a time, until `stop` is set.

    Begins with the next change; with `after`, behind that rw_timestamp; with `snapshot`, with the rows of now as
    additions, which have no position. When the connection breaks this connects again, calling `dsn` again if it is a
    function, and goes on where it was. When a deployment replaces the view, its rows come as a snapshot whose first
    batch has `anew` set; so they do where the connection breaks before a snapshot's first change.

    Raises Away where RisingWave does not answer at the start, MillstreamError where the model has no subscription, Gone
    where the subscription keeps the changes after the position no more.
    """
    with Subscriber(dsn, model, schema, stop or threading.Event(), say) as subscriber:
        subscriber.begin(after, snapshot=snapshot)
        yield from subscriber.follow()


class Subscriber:
    """A session that reads one subscription, made again when it breaks."""

    def __init__(self, dsn: Dsn, model: str, schema: str, stop: threading.Event, say: Say) -> None:
        self.dsn = dsn if callable(dsn) else lambda: dsn
        given, _, self.name = model.rpartition(".")
        self.schema = given or schema
        self.stop = stop
        self.say = say
        self.link: Link | None = None
        self.subscription: Subscription | None = None
        self.cutter = Cutter(self.name, None)
        self.waits = False  # whether the next FETCH may wait: everything before it was delivered
        self.caught_up: float | None = None  # the last moment at which it was
        self.checked = 0.0
        self.opened = False

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        if self.link is not None:
            self.link.close()

    @property
    def session(self) -> Link:
        """The session, which must be there."""
        assert self.link is not None
        return self.link

    def begin(self, after: int | None, *, snapshot: bool) -> None:
        """Connect, find the subscription and the first position, and open the cursor."""
        self.connect()
        if after is not None:
            self.refuse_position_of_another(after)
        position = None if snapshot else self.now() if after is None else after
        self.cutter = Cutter(self.name, position)
        self.declare()

    def follow(self) -> Iterator[Batch]:
        """Yield what comes, connecting again as often as is needed."""
        while not self.stop.is_set():
            try:
                self.check()
                found = self.read()
            except Away as error:
                self.say(f"{first_line(error)}: connecting again")
                self.recover()
            except Denied as error:
                self.say(f"the cursor failed ({error.reason}): opening another one")
                self.recover()
            except Replaced:
                self.recover()
            else:
                yield from found

    def read(self) -> list[Batch]:
        """One FETCH and what it completes. It waits only where everything that was there has been delivered."""
        timeout = f" with (timeout = '{WAIT}')" if self.waits else ""
        answer = self.session.ask(f"fetch {ROWS} from {CURSOR}{timeout}")
        whole = not answer.rows if self.waits else len(answer.rows) < ROWS
        self.waits = whole
        if whole:
            self.caught_up = time.monotonic()
        return self.cutter.cut(answer, whole=whole)

    def recover(self) -> None:
        """Try until the cursor is open again or the watcher shall stop. Raises Gone where the position is too old."""
        pause, longest = RETRY_SECONDS
        told = ""
        while not self.stop.wait(pause):
            try:
                self.connect()
                self.declare()
            except (Away, Denied, Replaced) as error:
                pause = min(pause * 2, longest)
                if not isinstance(error, Away) and str(error) != told:
                    told = str(error)
                    self.say(first_line(error))
                continue
            at = self.cutter.position
            self.say(
                "connected again; " + ("beginning with its rows" if at is None else f"going on after {at}")
            )
            return

    def connect(self) -> None:
        """Begin a session; look which subscription the name stands for."""
        if self.link is not None:
            self.link.close()
        self.link = Link(self.dsn())
        before = self.subscription
        if before is None:
            self.subscription = self.find_first()
            return
        found = self.find()
        if found is None:
            raise Replaced(
                f"the subscription {before.name} was dropped: waiting for {self.name} to be deployed with change_feed again"
            )
        self.subscription = found
        if found.id != before.id:
            self.say(
                f"{self.name} was deployed again: the rows of the new version follow, and what came before is void"
            )
            self.cutter = Cutter(self.name, None)

    def check(self) -> None:
        """See whether the subscription was replaced: a cursor of the old one goes on without a word and without rows."""
        if time.monotonic() - self.checked < CHECK_SECONDS:
            return
        found = self.find()
        assert self.subscription is not None
        if found is None or found.id != self.subscription.id:
            raise Replaced(f"{self.name} was deployed again")

    def find_first(self) -> Subscription:
        """The subscription of the model. Raises MillstreamError where there is none."""
        try:
            return self.find() or self.missing()
        except Denied as error:
            raise MillstreamError(
                f"{self.session.place} does not list its subscriptions: {error.reason}\n"
                "  hint: it must be RisingWave 2.8 or newer; RISINGWAVE_HOST and RISINGWAVE_PORT say where it is"
            ) from error

    def find(self) -> Subscription | None:
        """The subscription of the model, if there is one now."""
        self.checked = time.monotonic()
        name = f"{self.name}{SUFFIX}"
        return next((each for each in self.listed() if (each.schema, each.name) == (self.schema, name)), None)

    def listed(self) -> list[Subscription]:
        """Every subscription of the database."""
        return [Subscription(*row) for row in self.session.ask(SUBSCRIPTIONS).rows]

    def declare(self) -> None:
        """Open the cursor behind the position, or with the rows of now."""
        self.waits = False
        position = self.cutter.position
        self.cutter = Cutter(self.name, position, anew=self.opened)
        if position is None:
            self.open_cursor("full")
            return
        for _ in range(CLOCK_ATTEMPTS):
            try:
                self.open_cursor(f"since {position}")
            except Denied as error:
                if "too large" in error.reason:
                    self.stop.wait(CLOCK_SECONDS)
                    continue
                if "too small" not in error.reason:
                    raise
                self.open_where_it_was_quiet(position)
            return
        raise Gone(
            f"{position} has not been yet: RisingWave at {self.session.place} is at {self.now()}\n"
            "  hint: --from takes a tick that this RisingWave printed; begin anew with --snapshot"
        )

    def open_where_it_was_quiet(self, position: int) -> None:
        """Go on after a position that is too old, if all that came until lately was read: then nothing came."""
        if self.caught_up is not None:
            away = timedelta(seconds=time.monotonic() - self.caught_up)
            lately = self.now() - round((away + LAG) / timedelta(milliseconds=1))
            try:
                self.open_cursor(f"since {max(lately, position)}")
            except Denied as error:
                if "too small" not in error.reason:
                    raise
            else:
                return
        raise Gone(
            f"the changes of {self.name} after {position} ({as_moment(position):%Y-%m-%d %H:%M:%S} UTC) are not kept: "
            f"that is older than the retention of {self.name}{SUFFIX}\n"
            "  hint: begin anew with --snapshot; change_feed in the model's config says how long changes are kept"
        )

    def open_cursor(self, start: str) -> None:
        """Declare the cursor. It lives as long as the session, and each session declares it once."""
        feed = f"{quote(self.schema)}.{quote(self.name + SUFFIX)}"
        self.session.send(f"declare {CURSOR} subscription cursor for {feed} {start}")
        self.opened = True

    def now(self) -> int:
        """The time of the newest checkpoint, in milliseconds since 1970: what committed later has a greater one."""
        moment = self.session.ask("select now()").rows[0][0]
        return as_position(moment)

    def refuse_position_of_another(self, position: int) -> None:
        """Raise Gone where the view was replaced after a position: the changes from the old rows to the new are in no log."""
        assert self.subscription is not None
        created = self.subscription.created
        if created is not None and position < as_position(created):
            raise Gone(
                f"{self.name} was deployed again at {created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, after {position}\n"
                "  hint: begin anew with --snapshot: the new version's rows"
            )

    def missing(self) -> Subscription:
        """Raise the error for a model without a subscription: what there is, and how to get one."""
        feeds = sorted(each.model for each in self.listed() if each.name.endswith(SUFFIX))
        there = f"feeds there: {', '.join(feeds) or 'none'}"
        rows = self.session.ask(RELATIONS).rows
        kind = next((row[2] for row in rows if row[:2] == (self.schema, self.name)), None)
        if kind is None:
            known = [row[1] for row in rows if row[2] == "materialized view"]
            alike = get_close_matches(self.name, known, n=3)
            what = f"did you mean {', '.join(alike)}?" if alike else "millstream deploy --target risingwave"
            raise MillstreamError(
                f"no model {self.schema}.{self.name} is deployed at {self.session.place}; {there}\n  hint: {what}"
            )
        if kind != "materialized view":
            raise MillstreamError(
                f"{self.name} is a {kind}, and only a materialized view has a feed; {there}\n"
                "  hint: watch a materialized view that it reads, or materialize it"
            )
        raise MillstreamError(
            f"{self.name} has no subscription {self.name}{SUFFIX}; {there}\n"
            "  hint: put change_feed='1D' (how long changes are kept) into the model's config, "
            "then millstream deploy --target risingwave"
        )
