"""dbt-risingwave's connections, in which every statement stands for itself."""

from __future__ import annotations

from dataclasses import dataclass

from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.risingwave.connections import RisingWaveConnectionManager, RisingWaveCredentials

from millstream.rollout.risingwave.refusals import diagnose
from millstream.rollout.risingwave.statements import end_transactions

TYPE = "millstream_risingwave"


@dataclass
class MillstreamRisingWaveCredentials(RisingWaveCredentials):
    """A profile target of `type: millstream_risingwave`; its keys are those of `type: risingwave`."""

    @property
    def type(self) -> str:
        return TYPE


class MillstreamRisingWaveConnectionManager(RisingWaveConnectionManager):
    """Opens connections without transactions."""

    TYPE = TYPE

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        if connection.state != ConnectionState.OPEN:
            try:
                connection = super().open(connection)  # type: ignore[no-untyped-call]
            except FailedToConnectError as error:
                there = connection.credentials
                place = f"{there.host}:{there.port}"
                told = diagnose("MS107", place=place, message=str(error).strip())
                raise FailedToConnectError(str(told)) from error
            end_transactions(connection.handle)
        return connection
