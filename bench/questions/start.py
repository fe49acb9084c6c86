"""How long does it take to start, and to deploy the project?

A server in a new home, the same server again, the project's deployment over empty sources, and the same deployment once
more with nothing changed. dbt runs in the benchmark's process.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figures import table
from bench.shop import opened
from bench.stage import Stage

TITLE = "Start and deployment"
ASKS = "seconds to start a server and to deploy the project"


def measure(stage: Stage) -> dict[str, Any]:
    """The seconds of each step."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="millstream-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        for name in ("server, new home", "server, again"):
            began = time.perf_counter()
            with opened(home) as shop:
                found[name] = time.perf_counter() - began
                if name == "server, again":
                    shop.deploy_sources()
                    found["deployment"] = shop.deploy_views()
                    found["deployment, nothing changed"] = shop.deploy_views()
    for name, seconds in found.items():
        print(f"  {name}: {seconds:.2f} s", flush=True)
    return {name: round(seconds, 2) for name, seconds in found.items()}


def section(found: dict[str, Any]) -> str:
    """One line for each step."""
    return table(["step", "seconds"], list(found.items()))
