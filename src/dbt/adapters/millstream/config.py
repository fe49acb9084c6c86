"""Model configuration keys: those of dbt-risingwave, so that a model file carries no branch on the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbt.adapters.base import AdapterConfig


@dataclass
class MillstreamConfig(AdapterConfig):
    """Keys that have a meaning here; every other key of dbt-risingwave is accepted and has no effect.

    `indexes` is a list of {columns, include, distributed_by, unique}. `zero_downtime` needs no setting: a changed
    view is always built beside the old one and swapped. `primary_key` is ours: the key of a seed, table or incremental
    model. `module` is the Python file of a function, relative to the project.
    """

    indexes: list[dict[str, Any]] | None = None
    zero_downtime: dict[str, Any] | None = None
    connector: str | None = None
    connector_parameters: dict[str, Any] | None = None
    data_format: str | None = None
    data_encode: str | None = None
    format_parameters: dict[str, Any] | None = None
    primary_key: str | list[str] | None = None
    module: str | None = None
