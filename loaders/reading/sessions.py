"""Give events of a log without sessions the session they belong to: 30 minutes without an event end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from loaders.schema.rows import Event, Rejected

INACTIVITY = timedelta(minutes=30)
SWEEP = 50_000


def with_sessions(
    records: Iterable[Event | Rejected], inactivity: timedelta = INACTIVITY
) -> Iterator[Event | Rejected]:
    """Fill `session_id` where it is null; events must come in time order.

    A person's event opens a new session when more than `inactivity` passed since their last one. The id is the person
    and the second of the session's first event, so that every run gives the same ids. An event that names no person
    stays without a session. Memory holds the persons of the last `inactivity` alone.
    """
    open_sessions: dict[str, tuple[datetime, str]] = {}
    since_sweep = 0
    for record in records:
        if isinstance(record, Rejected) or record.session_id is not None:
            yield record
            continue
        person = record.user_id or record.anonymous_id
        if person is None:
            yield record
            continue
        now = record.occurred_at
        last = open_sessions.get(person)
        session = last[1] if last and now - last[0] <= inactivity else f"{person}-{now:%Y%m%dT%H%M%S}"
        open_sessions[person] = (now, session)
        yield record._replace(session_id=session)
        since_sweep += 1
        if since_sweep == SWEEP:
            since_sweep = 0
            open_sessions = {who: seen for who, seen in open_sessions.items() if now - seen[0] <= inactivity}
