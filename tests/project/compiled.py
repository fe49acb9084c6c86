"""The dbt project as dbt compiles it, without a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Model:
    """One model: its file, how it is materialized, what it reads, and its compiled SQL (None for ephemeral ones)."""

    name: str
    layer: str
    path: Path
    materialized: str
    reads: tuple[str, ...]
    sql: str
    indexes: tuple[tuple[str, ...], ...]
    description: str
    meta: dict[str, Any]
    columns: dict[str, dict[str, Any]]
    contract: bool


@dataclass(frozen=True)
class Project:
    """Models by name, each after those that it reads, and dbt's manifest."""

    models: dict[str, Model]
    manifest: dict[str, Any]


def strategies() -> list[dict[str, Any]]:
    """The rows of var `strategies`."""
    listed: list[dict[str, Any]] = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"][
        "strategies"
    ]
    return listed


def dbt(
    arguments: list[str], target_path: Path, *, project: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run dbt on the project, or on a copy of it, with everything that it writes in `target_path`."""
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", *arguments]
        + ["--project-dir", str(project), "--profiles-dir", str(project)]
        + ["--target-path", str(target_path), "--log-path", str(target_path)],
        env=os.environ | environment,
        cwd=project,
        text=True,
        capture_output=True,
        check=False,
    )


def compile_project(target: str, target_path: Path, **environment: str) -> Project:
    """Compile offline for a target of profiles.yml; raises RuntimeError with dbt's output."""
    arguments = ["compile", "--target", target, "--no-introspect", "--no-populate-cache"]
    done = dbt(arguments, target_path, **environment)
    if done.returncode != 0:
        raise RuntimeError(f"dbt compile --target {target} failed:\n{done.stdout}\n{done.stderr}")
    manifest = json.loads((target_path / "manifest.json").read_text())
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    models: dict[str, Model] = {}

    def add(key: str) -> None:
        node = nodes[key]
        if node["name"] in models:
            return
        reads = [other for other in node["depends_on"]["nodes"] if other in nodes]
        for other in reads:
            add(other)
        models[node["name"]] = Model(
            name=node["name"],
            layer=node["fqn"][1],
            path=ROOT / node["original_file_path"],
            materialized=node["config"]["materialized"],
            reads=tuple(nodes[other]["name"] for other in reads),
            sql=node["compiled_code"],
            indexes=tuple(tuple(index["columns"]) for index in node["config"].get("indexes") or ()),
            description=node["description"],
            meta=node["config"]["meta"],
            columns=node["columns"],
            contract=node["config"]["contract"]["enforced"],
        )

    for key in sorted(nodes):
        add(key)
    return Project(models, manifest)
