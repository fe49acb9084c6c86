"""Try histories for as long as asked: python -m tests.equivalence.prove --seconds 1200 [--only act|views|sources]

Histories of views are compared with two oracles, histories of sources with plain tables. Prints how many histories, ticks,
views and comparisons were tried. At the first mismatch it prints the smallest case that Hypothesis finds for it, and exits
with status 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

import millstream.server
from tests.databases import Databases
from tests.equivalence import source_history
from tests.equivalence.act_cases import act_cases, bag_act_cases
from tests.equivalence.cases import Case, cases
from tests.equivalence.queries import BUILDERS
from tests.equivalence.run import Tally, run

BATCH = 50
"""Histories between two looks at the clock."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the time is up or a mismatch is found; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.equivalence.prove", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="how long to try (default 1200)")
    parser.add_argument("--only", choices=("views", "act", "sources"), help="one kind of histories alone")
    parser.add_argument("--kinds", nargs="+", choices=tuple(BUILDERS), help="constructs to use (default all)")
    options = parser.parse_args(arguments)
    given_dsn = os.environ.get("MILLSTREAM_TEST_DSN")
    if given_dsn:
        return prove(given_dsn, options)
    with tempfile.TemporaryDirectory() as home, millstream.server.open(Path(home)) as server:
        return prove(server.dsn("owner"), options)


def prove(admin_dsn: str, options: argparse.Namespace) -> int:
    """Alternate between the kinds of cases."""
    kinds = tuple(options.kinds or BUILDERS)
    sources: list[SearchStrategy[Any]] = []
    if options.only in (None, "views"):
        sources += [
            cases(kinds=kinds),
            cases(kinds=kinds, maximum=1, depth=1),
            cases(kinds=kinds, maximum=6, depth=1),
            cases(kinds=kinds, building=True),
        ]
    if options.only in (None, "act"):
        sources += [act_cases(), bag_act_cases()]
        sources += [act_cases(building=True), bag_act_cases(building=True)]
    if options.only in (None, "sources"):
        sources.append(source_history.histories())
    tally = Tally()
    start = time.monotonic()
    number = 0
    with Databases(admin_dsn) as databases:
        oracle_dsn = databases.dsn(databases.create())
        try:
            while time.monotonic() - start < options.seconds:
                batch(sources[number % len(sources)], databases, oracle_dsn, tally)
                number += 1
                sys.stdout.write(f"{time.monotonic() - start:.0f} s: {tally}\n")
                sys.stdout.flush()
        except AssertionError as error:
            sys.stdout.write(f"{error}\n" + "\n".join(getattr(error, "__notes__", ())) + "\n")
            return 1
    return 0


def batch(source: SearchStrategy[Any], databases: Databases, oracle_dsn: str, tally: Tally) -> None:
    """A number of fresh histories, shrunk if one fails."""

    @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=source)
    def check(case: Any) -> None:
        if not isinstance(case, Case):
            source_history.run(case, databases, tally.counts)
            return
        with databases.fresh() as dsn:
            run(case, dsn, oracle_dsn, tally)

    check()


if __name__ == "__main__":
    raise SystemExit(main())
