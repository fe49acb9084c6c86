"""Which Python function a dbt function resource means, and which ones a model calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millstream.errors import MillstreamError

Node = Mapping[str, Any]

VERSION_SUFFIX = re.compile(r"_v\d+$")


def python_entry(model: Node, project_root: Path) -> tuple[Path, str]:
    """The file and the function in it.

    The function is `config.entry_point`, else `config.remote_name` (dbt-risingwave's key), else the resource's name.
    The file is `config.module` (relative to the project), else `udfs/<function>.py`, else the same without a version
    suffix: `rank_items_v2` is in `udfs/rank_items.py` unless `udfs/rank_items_v2.py` exists.

    Raises MillstreamError when there is no such file.
    """
    config = model["config"]
    entry = str(config.get("entry_point") or config.get("remote_name") or model["name"])
    if config.get("module"):
        candidates = [project_root / str(config["module"])]
    else:
        names = dict.fromkeys((entry, VERSION_SUFFIX.sub("", entry), model["name"]))
        candidates = [project_root / "udfs" / f"{name}.py" for name in names]
    for candidate in candidates:
        if candidate.is_file():
            return candidate, entry
    looked = ", ".join(str(candidate.relative_to(project_root)) for candidate in candidates)
    raise MillstreamError(
        f"no Python file for the function {model['name']}: looked for {looked}; set `module` in its config"
    )


def functions_called(model: Node, nodes: Mapping[str, Node], functions: Mapping[str, Node]) -> list[Node]:
    """The Python functions that a model calls, itself or through the ephemeral models in it, each once.

    `nodes` and `functions` are dbt's graph by unique id.
    """
    found: dict[str, Node] = {}
    waiting, seen = list(model["depends_on"].get("nodes", [])), set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in functions and functions[name]["language"] == "python":
            found[name] = functions[name]
        elif name in nodes and nodes[name]["config"].get("materialized") == "ephemeral":
            waiting += nodes[name]["depends_on"]["nodes"]
    return list(found.values())
