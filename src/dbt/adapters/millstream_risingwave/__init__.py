"""The dbt adapter `type: millstream_risingwave`: dbt-risingwave with deployment done by `millstream.rollout.risingwave`."""

from __future__ import annotations

import importlib.util

from dbt.adapters.base import AdapterPlugin
from dbt_common.exceptions import DbtRuntimeError

from dbt.include import millstream_risingwave
from millstream.rollout.risingwave.refusals import diagnose

if importlib.util.find_spec("dbt.adapters.risingwave") is None:
    raise DbtRuntimeError(str(diagnose("MS109")))

from dbt.adapters.millstream_risingwave.connections import (
    MillstreamRisingWaveConnectionManager,
    MillstreamRisingWaveCredentials,
)
from dbt.adapters.millstream_risingwave.impl import MillstreamRisingWaveAdapter

__all__ = [
    "MillstreamRisingWaveAdapter",
    "MillstreamRisingWaveConnectionManager",
    "MillstreamRisingWaveCredentials",
    "Plugin",
]

Plugin = AdapterPlugin(
    adapter=MillstreamRisingWaveAdapter,  # type: ignore[arg-type]
    credentials=MillstreamRisingWaveCredentials,
    include_path=millstream_risingwave.PACKAGE_PATH,
    dependencies=["risingwave"],
)
