"""The same history on two engines: after each step, equal rows in every model.

Set RISINGWAVE_DSN (postgresql://root@localhost:4566/dev) to compare with a RisingWave, and RISINGWAVE_UDF_LINK to the
address of a server of `shaky_v1` to include its function. The project's own models are in test_shipped.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from tests.conformance.history import MODELS, steps
from tests.conformance.targets import Batch, Embedded, Target, compare, play, rows, small_risingwave
from tests.equivalence.compare import difference


def run(one: Target, other: Target) -> int:
    """Run the history on both; returns how many comparisons were made. Fails at the first step that differs."""
    start = datetime.now(UTC)
    compared = 0
    for step, _ in play(steps(start), start, (one, other)):
        compared += compare(step, one, other)
        for name in step.expected.keys() & set(one.models):
            wrong = difference(step.expected[name], rows(one, name))
            assert wrong is None, f"{step.name}: {name} is not what was reckoned\n{wrong}"
    return compared


def test_the_embedded_engine_agrees_with_a_batch_engine(database: str) -> None:
    with Embedded(database) as embedded, Batch() as batch:
        deterministic = [model for model in MODELS if model.deterministic]
        assert run(embedded, batch) == len(steps(datetime.now(UTC))) * len(deterministic)


@pytest.mark.parametrize("other", [Embedded, Batch])
def test_risingwave_agrees_with(other: Callable[..., Embedded | Batch], database: str) -> None:
    server = small_risingwave()
    with ExitStack() as stack:
        stack.enter_context(server)
        target = stack.enter_context(other(database) if other is Embedded else other())
        assert run(server, target) > 0


def test_a_difference_is_found(database: str) -> None:
    """The comparison itself: a row that one engine does not get fails the step."""

    class Forgetful(Batch):
        def flush(self, now: datetime) -> None:
            super().flush(now)
            self.duckdb.execute("delete from events where event_id = 'e2'")

    with (
        Embedded(database) as embedded,
        Forgetful() as batch,
        pytest.raises(AssertionError, match="a catalogue and first events: enriched differs"),
    ):
        run(embedded, batch)


def test_the_history_has_what_it_should() -> None:
    told = " ".join(step.name for step in steps(datetime.now(UTC)))
    for word in ("twice", "late", "changes", "deleted", "fails", "time passes"):
        assert word in told
