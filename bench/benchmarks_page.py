"""The page of figures and its plots, written from what a run has kept."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from bench import plots

PAGE = "benchmarks.md"
Record = dict[str, Any]
OPENING = """# Benchmarks

What `python -m bench.run` measured, written by it and not by hand; a part that says quick has fewer points over less data. How each figure is made stands above it; `bench/README.md` has the
commands for one question alone, and [performance](reference/performance.md) what costs what.
"""


def write(folder: Path, answers: dict[str, Record], questions: dict[str, ModuleType]) -> Path:
    """Write page and plots into a folder; return the page's path."""
    (folder / "benchmarks").mkdir(parents=True, exist_ok=True)
    parts = [OPENING]
    for name, question in questions.items():
        if name not in answers:
            continue
        record = answers[name]
        parts.append(f"## {question.TITLE}\n\n{(question.__doc__ or '').strip()}\n\n{origin(record)}\n")
        if name in plots.PLOTS:
            plots.draw(name, record["figures"], folder / "benchmarks")
            parts.append(f"![{plots.PLOTS[name].caption}](benchmarks/{name}.svg)\n")
        parts.append(question.section(record["figures"]) + "\n")
    path = folder / PAGE
    path.write_text("\n".join(parts))
    return path


def origin(record: Record) -> str:
    """Where a figure comes from."""
    machine, versions = record["machine"], record["versions"]
    return (
        f"`{record['command']}` ({record['scale']}, {record['seconds']:.0f} s), {record['date'][:10]}, commit {record['commit']}; "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, load before the run "
        f"{machine['load_before'][0]}; PostgreSQL {versions['postgresql']}, Python {versions['python']}; {record['data']}."
    )
