"""The dbt adapter `type: millstream`: dbt-postgres with deployment done by the Millstream engine."""

from __future__ import annotations

from dbt.adapters.base import AdapterPlugin

from dbt.adapters.millstream.connections import MillstreamConnectionManager
from dbt.adapters.millstream.credentials import MillstreamCredentials
from dbt.adapters.millstream.impl import MillstreamAdapter
from dbt.adapters.millstream.relation import MillstreamRelation
from dbt.include import millstream

__all__ = [
    "MillstreamAdapter",
    "MillstreamConnectionManager",
    "MillstreamCredentials",
    "MillstreamRelation",
    "Plugin",
]

Plugin = AdapterPlugin(
    adapter=MillstreamAdapter,  # type: ignore[arg-type]
    credentials=MillstreamCredentials,
    include_path=millstream.PACKAGE_PATH,
    dependencies=["postgres"],
)
