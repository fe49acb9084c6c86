"""Time order with bounded memory, and sessions of a log that has none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.reading.order import in_time_order
from loaders.reading.sessions import INACTIVITY, with_sessions
from loaders.schema.rows import Event, Rejected, chunks, event
from tests.loaders.logs import NOON

BAD = Rejected("file", 1, "bad", "")


def at(seconds: float, user: str | None = "u", session: str | None = None, number: int = 0) -> Event:
    return event(
        f"e{number}", "view_item", NOON + timedelta(seconds=seconds), user_id=user, session_id=session
    )


def sessions(events: Iterable[Event | Rejected]) -> list[str | None]:
    return [record.session_id for record in with_sessions(events) if isinstance(record, Event)]


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 25))
def test_runs_on_disk_give_the_same_as_sorting_in_memory(seconds: list[int], run: int) -> None:
    events = [at(second, number=number) for number, second in enumerate(seconds)]
    assert list(in_time_order(events, run)) == sorted(events, key=lambda e: e.occurred_at)


def test_long_rows_fill_a_run_and_a_chunk_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loaders.reading.order.RUN_LETTERS", 500)
    monkeypatch.setattr("loaders.reading.order.BLOCK_LETTERS", 200)
    events = [at(second % 7, user="u" * 100, number=second) for second in range(40)]
    assert list(in_time_order(events)) == sorted(events, key=lambda e: e.occurred_at)
    assert [len(chunk) for chunk in chunks(events[:7], 10, most=300)] == [3, 3, 1]


def test_rejected_rows_come_before_all_events() -> None:
    assert list(in_time_order([at(2), BAD, at(1)], run=1)) == [BAD, at(1), at(2)]


def test_exactly_thirty_minutes_do_not_end_a_session_and_more_do() -> None:
    gap = INACTIVITY.total_seconds()
    same = sessions([at(0), at(gap), at(2 * gap)])
    assert len(set(same)) == 1
    first, second = sessions([at(0), at(gap + 0.001)])
    assert (first, second) == ("u-20260301T120000", "u-20260301T123000")


def test_people_have_sessions_of_their_own() -> None:
    assert sessions([at(0, "a"), at(1, "b"), at(2, "a")]) == [
        "a-20260301T120000", "b-20260301T120001", "a-20260301T120000",
    ]  # fmt: skip


def test_a_session_that_is_given_stays_and_nobody_has_none() -> None:
    assert sessions([at(0, session="given"), at(1, user=None)]) == ["given", None]


def test_visitors_without_a_user_have_sessions_by_their_anonymous_id() -> None:
    visit = at(0, user=None)._replace(anonymous_id="cookie")
    assert sessions([visit]) == ["cookie-20260301T120000"]


def test_sweeping_forgotten_people_changes_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def visits() -> list[Event]:
        times = ((minute, f"u{minute % 14}") for minute in range(0, 400, 3))
        return [at(minute * 60, user) for minute, user in times]

    without = sessions(visits())
    monkeypatch.setattr("loaders.reading.sessions.SWEEP", 2)
    assert sessions(visits()) == without
    assert len(set(without)) > 14


@given(st.lists(st.tuples(st.integers(0, 8_000), st.sampled_from("abc")), max_size=60))
def test_sessions_are_runs_without_a_long_gap(visits: list[tuple[int, str]]) -> None:
    events = [at(second, user) for second, user in sorted(visits)]
    last: dict[str, tuple[datetime, str | None]] = {}
    for visit, session in zip(events, sessions(events), strict=True):
        user = visit.user_id or ""
        before = last.get(user)
        if before is not None:
            is_same = visit.occurred_at - before[0] <= INACTIVITY
            assert (session == before[1]) == is_same
        last[user] = (visit.occurred_at, session)
