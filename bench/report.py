"""What a figure means nothing without: the machine, the versions, the data, the command and the date."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Describe this machine: processor, cores that may be used, memory in GiB, system, and the load before the run."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": cores,
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def versions(dsn: str) -> dict[str, str]:
    """The versions that a figure depends on: Python, PostgreSQL and the commit, with a + if files differ from it."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("show server_version").fetchone()
    return {
        "python": platform.python_version(),
        "postgresql": str(row[0]).split()[0] if row else "?",
        "commit": commit(),
    }


def commit() -> str:
    """The short hash of the checked-out commit; with a + where source files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "sql", "macros", "udfs")
    return (head or "no git") + ("+" if changed else "")


def command(module: str) -> str:
    """The command line as it can be repeated."""
    return " ".join(["python", "-m", module, *sys.argv[1:]])


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one line of JSON to a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


class Report:
    """Prints what was measured, and appends it as one JSON line to bench/results/<name>.jsonl."""

    def __init__(self, name: str, dsn: str, data: str) -> None:
        self.name = name
        self.record: dict[str, Any] = {
            "benchmark": name,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command(f"bench.{name}"),
            "machine": machine(),
            "versions": versions(dsn),
            "data": data,
        }
        for key in ("date", "command", "machine", "versions", "data"):
            value = self.record[key]
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{key:<9} {text}")
        print(flush=True)

    def save(self, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
        """Append the figures to the benchmark's file of results, and return that file."""
        path = folder / f"{self.name}.jsonl"
        append(path, {**self.record, "figures": figures})
        print(f"\nappended to {path}")
        return path
