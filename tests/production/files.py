"""The files of the production path, read as the programs that use them read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?([-?])([^}]*))?\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml, with anchors and merges resolved and variables as they are written."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def example() -> dict[str, str]:
    """Variables of .env.example and their values."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def guide() -> str:
    return (ROOT / "docs" / "howto" / "production.md").read_text()


def panels() -> list[dict[str, Any]]:
    """The panels of every dashboard."""
    files = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
    return [panel for file in files for panel in json.loads(file.read_text())["panels"]]


def panel_sql() -> dict[str, str]:
    """Title → statement, of the panels that ask RisingWave."""
    return {
        panel["title"]: target["rawSql"]
        for panel in panels()
        for target in panel["targets"]
        if "rawSql" in target
    }


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Where it is → PromQL, of panels and alerts."""
    found = {
        f"panel {panel['title']}, {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
        if "expr" in target
    }
    return {**found, **{f"alert {rule['alert']}": rule["expr"] for rule in alerts()}}


def pinned(requirements: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Package → version and hashes, of a requirements file."""
    text = requirements.read_text().replace("\\\n", " ")
    return {
        found[1]: (found[2], frozenset(re.findall(r"--hash=(\S+)", found[3])))
        for found in re.finditer(r"^([\w.-]+)(?:\[\w+\])?==(\S+)(.*)$", text, re.MULTILINE)
    }
