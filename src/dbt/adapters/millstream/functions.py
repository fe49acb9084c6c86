"""Which Python function a dbt function resource means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbt_common.exceptions import DbtRuntimeError

VERSION_SUFFIX = re.compile(r"_v\d+$")


def python_entry(model: Mapping[str, Any], project_root: Path) -> tuple[Path, str]:
    """The file and the function in it.

    The function is `config.entry_point`, else `config.remote_name` (dbt-risingwave's key), else the resource's name.
    The file is `config.module` (relative to the project), else `udfs/<function>.py`, else the same without a version
    suffix: `rank_items_v2` is in `udfs/rank_items.py` unless `udfs/rank_items_v2.py` exists.

    Raises DbtRuntimeError when there is no such file.
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
    raise DbtRuntimeError(
        f"no Python file for the function {model['name']}: looked for {looked}; set `module` in its config"
    )
