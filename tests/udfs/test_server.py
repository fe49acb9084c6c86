"""The functions over Arrow Flight, as RisingWave calls them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from udfs.blend_v1 import blend_v1
from udfs.server import FUNCTIONS, make_server, null_on_error

ROW = (
    ["a", "b"],
    [0.5, 1.0],
    [0.0, 0.0],
    [0.0, 0.0],
    ["tea", None],
    [None, "x"],
    ["s", "t"],
    [None, "r"],
    1.0,
    None,
)


@pytest.fixture
def client() -> Iterator[flight.FlightClient]:
    server = make_server("127.0.0.1:0")  # listens from here on; serve() only waits
    with flight.connect(f"grpc://127.0.0.1:{server.port}") as connected:
        yield connected
    server.shutdown()


def call(client: flight.FlightClient, rows: list[tuple[Any, ...]]) -> list[Any]:
    """One chunk of rows to blend_v1, in the schema that the server announces."""
    descriptor = flight.FlightDescriptor.for_path("blend_v1")
    info = client.get_flight_info(descriptor)
    arguments = pa.schema(list(info.schema)[: info.total_records])
    columns = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), arguments, strict=True)
    ]
    writer, reader = client.do_exchange(descriptor)
    with writer:
        writer.begin(arguments)
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=arguments))
        writer.done_writing()
        result = reader.read_all()
    return list(result.column(0).to_pylist())


def test_a_call_over_the_wire_answers_as_the_function(client: flight.FlightClient) -> None:
    assert call(client, [ROW, ROW]) == [blend_v1(*ROW)] * 2


def test_a_bad_row_is_null_and_takes_no_other_with_it(
    client: flight.FlightClient, caplog: pytest.LogCaptureFixture
) -> None:
    bad = (["a"], *ROW[1:])
    with caplog.at_level(logging.ERROR):
        assert call(client, [ROW, bad, ROW]) == [blend_v1(*ROW), None, blend_v1(*ROW)]
    assert "blend_v1 failed for one row" in caplog.text


def test_every_function_is_announced(client: flight.FlightClient) -> None:
    names = {info.descriptor.path[0].decode() for info in client.list_flights()}
    assert names == {function.__name__ for function, _, _ in FUNCTIONS}


def test_an_error_names_the_function(caplog: pytest.LogCaptureFixture) -> None:
    def broken(value: int) -> int:
        raise KeyError(value)

    assert null_on_error(broken)(1) is None
    assert "broken failed" in caplog.text
