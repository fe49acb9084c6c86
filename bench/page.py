"""Write the measured figures into docs/reference/performance.md: the newest run of each benchmark with each setting.

`python -m bench.page` writes, `python -m bench.page --check` only says whether the page is current (exit status 1 if not).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.figures import table
from bench.report import RESULTS, ROOT

PAGE = ROOT / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- figures: written by python -m bench.page -->", "<!-- end of figures -->"
Record = dict[str, Any]


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not current")
    given = parser.parse_args()
    before = PAGE.read_text()
    after = with_figures(before, figures(RESULTS))
    if given.check:
        sys.exit(0 if before == after else f"{PAGE} is not current: python -m bench.page")
    PAGE.write_text(after)


def with_figures(page: str, text: str) -> str:
    """Replace what stands between the two marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


def newest(folder: Path, name: str) -> list[Record]:
    """The newest record of each command, in the order of the commands."""
    path = folder / f"{name}.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return sorted(
        {record["command"]: record for record in records}.values(), key=lambda record: str(record["command"])
    )


def figures(folder: Path) -> str:
    """All sections as Markdown."""
    sections = [("Live", live, "live"), ("Backfill", backfill, "backfill")]
    sections += [
        ("Ticks against full refreshes", ratios, "incremental_vs_full"),
        ("Engine against SQL written by hand", overhead, "overhead"),
        ("Bursts and hot keys", bursts, "bursts"),
        ("Long run", soak, "soak"),
        ("Kafka", kafka, "kafka"),
        ("Ticks", ticks, "tick_profile"),
    ]
    made = []
    for title, section, name in sections:
        for record in newest(folder, name):
            made.append(f"### {title}\n\n{origin(record)}\n\n{section(record['figures'])}")
    return "\n\n".join(made) or "No run is kept in bench/results."


def origin(record: Record) -> str:
    """Where a figure comes from."""
    machine, versions = record["machine"], record["versions"]
    return (
        f"`{record['command']}`, {record['date'][:10]}, commit {versions['commit']}; {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, load before the run {machine['load_before'][0]}; "
        f"PostgreSQL {versions['postgresql']}, Python {versions['python']}; {record['data']}."
    )


def live(found: Record) -> str:
    """Freshness, reads, ticks, memory."""
    named = {
        "event committed to changed list readable": found["freshness_ms"],
        "event due to committed": found["commit_ms"],
        "read of a personal list of 20": found["read_personal_ms"],
        "read of 20 by the documented statement": found["read_statement_ms"],
        "tick": found["ticks"]["ms"],
    }
    lines = [(name, each["p50"], each["p99"], each["max"], each["count"]) for name, each in named.items()]
    memory = ", ".join(f"{name} {size:,.0f} MiB" for name, size in found["memory_mib"].items())
    processor = ", ".join(f"{name} {ms:.2f} ms" for name, ms in found["processor_ms_per_event"].items())
    return (
        f"{found['rate']:g} events and {found['reads']:g} reads a second for {found['seconds']:g} s.\n\n"
        f"{table(['milliseconds', 'p50', 'p99', 'max', 'measured'], lines)}\n\n"
        f"Memory at most: {memory}. Processor time per event: {processor}. Events whose list never changed: "
        f"{found['events_never_seen']}. Queued at the end: {found['queued_at_the_end']}."
    )


def backfill(found: Record) -> str:
    """Both ways of bringing history in."""
    lines = [
        (name, way["lines"], way["load_seconds"], way["build_seconds"], way["lines_per_second"])
        for name, way in found.items()
        if isinstance(way, dict)
    ]
    memory = ", ".join(f"{name} {size:,.0f} MiB" for name, size in found["bulk"]["memory_mib"].items())
    return f"{table(['way', 'lines', 'load, s', 'build, s', 'lines per second'], lines)}\n\nMemory at most: {memory}."


def ratios(found: Record) -> str:
    """Each view's tick against its full refresh."""
    lines = [(name, each["tick_ms"], each["full_ms"], each["ratio"]) for name, each in found["views"].items()]
    return table(["view", f"tick of {found['events_per_tick']}, ms", "in full, ms", "ratio"], lines)


def ticks(found: Record) -> str:
    """Ticks by size, and what is costliest in them."""
    lines = [
        (int(size), each["tick_ms"]["p50"], each["tick_ms"]["p99"], costliest(each["relation_ms"]))
        for size, each in found["sizes"].items()
    ]
    return table(["events", "tick p50, ms", "p99", "costliest relations, ms"], lines)


def overhead(found: Record) -> str:
    """Ticks of both, by size."""
    lines = [
        (int(size), each["engine_ms"]["p50"], each["hand_ms"]["p50"], each["ratio"], each["ratio_of_sums"])
        for size, each in found["sizes"].items()
    ]
    return table(["events", "engine p50, ms", "by hand p50, ms", "ratio", "ratio of all ticks' time"], lines)


def bursts(found: Record) -> str:
    """What each rush does."""
    lines = [
        (name, each["events"], each["caught_up_seconds"], each["tick_ms"]["max"])
        + (each["read_ms"]["p50"], each["read_ms"]["p99"], each["memory_mib_so_far"])
        for name, each in found.items()
    ]
    header = ["rush", "events", "caught up, s", "longest tick, ms", "read p50, ms", "read p99, ms", "MiB"]
    return table(header, lines)


def kafka(found: Record) -> str:
    """Each step of a message."""
    return table(["step", "messages per second"], list(found.items()))


def soak(found: Record) -> str:
    """The state at the start, at each quarter and at the end."""
    samples = found["samples"]
    last = len(samples) - 1
    chosen = [samples[place] for place in sorted({0, last // 4, last // 2, 3 * last // 4, last})]
    stuck = found["stuck_reader"]
    return (
        f"{found['rate']:g} events a second come and as many go, for {found['minutes']:g} minutes.\n\n"
        f"{table(list(chosen[0]), [tuple(each.values()) for each in chosen])}\n\n"
        f"A reader that stayed in its transaction was ended after {stuck['seconds']:.0f} s: {stuck['message']}."
    )


def costliest(relations: dict[str, float]) -> str:
    """The four relations that cost most."""
    ordered = sorted(relations.items(), key=lambda item: -item[1])[:4]
    return ", ".join(f"{name.split('@')[0]} {ms:.1f}" for name, ms in ordered)


if __name__ == "__main__":
    main()
