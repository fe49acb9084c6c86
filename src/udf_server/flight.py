"""The Arrow Flight service that RisingWave calls: one exchange is one call, a chunk of rows in and one column out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa
from arrow_udf import UdfServer, UserDefinedFunction
from pyarrow import flight

from udf_server.arrow_types import same
from udf_server.declarations import Function
from udf_server.errors import FunctionServerError
from udf_server.evaluation import Evaluator
from udf_server.observed import Metrics

log = logging.getLogger("udf_server")


class Served(UserDefinedFunction):  # type: ignore[misc]
    """A function as the SDK's server knows it: a name, and the schemas that RisingWave compares when it creates it."""

    def __init__(self, function: Function, evaluator: Evaluator) -> None:
        self._name = function.name
        self._input_schema = function.arguments
        self._result_schema = pa.schema([(function.name, function.result)])
        self._evaluator = evaluator

    def wrong(self, schema: pa.Schema) -> str | None:
        """What is wrong with the arguments of a call, or None; names do not matter."""
        wanted = [field.type for field in self._input_schema]
        given = [field.type for field in schema]
        if len(wanted) == len(given) and all(map(same, wanted, given)):
            return None
        return (
            f"{self._name} takes ({', '.join(map(str, wanted))}) and was called with "
            f"({', '.join(map(str, given))}): a function whose arguments change needs a new name, such as the next _v"
        )

    def eval_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The results of one message of a chunk."""
        result = self._evaluator.evaluate(batch.columns, batch.num_rows)
        yield pa.RecordBatch.from_arrays([result], schema=self._result_schema)


class FlightServer(UdfServer):  # type: ignore[misc]
    """The SDK's service with a sentence for each error, and every call counted."""

    def __init__(
        self, functions: list[Function], metrics: Metrics, *, host: str, port: int, threads: int, batch: int
    ) -> None:
        """Listen on `host:port` and answer calls. Raises FunctionServerError where the port is taken."""
        try:
            super().__init__(f"{host}:{port}")
        except (OSError, pa.ArrowException) as error:
            raise FunctionServerError(
                f"port {port} on {host} cannot be listened on. Is another UDF server running? Choose another: --port"
            ) from error
        pa.array([None])  # imports pandas where it is installed: seconds that the first call must not spend
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="udf")
        self._functions = {
            function.name: Served(
                function,
                Evaluator(function, self._pool, batch, metrics.errors.labels(function.name).inc),
            )
            for function in functions
        }

    def get_flight_info(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        """The arguments and the result of a function, for CREATE FUNCTION."""
        return self._make_flight_info(self.function(descriptor))

    def do_exchange(
        self, context: Any, descriptor: flight.FlightDescriptor, reader: Any, writer: Any
    ) -> None:
        """Call a function for every row that comes."""
        served = self.function(descriptor)
        wrong = served.wrong(reader.schema)
        if wrong is not None:
            self._metrics.refused.labels(served._name).inc()  # noqa: SLF001 - the SDK's attribute of ours
            log.error("%s", wrong)
            raise pa.ArrowInvalid(wrong)
        writer.begin(served._result_schema)  # noqa: SLF001
        self._metrics.running.inc()
        started = time.perf_counter()
        rows = 0
        try:
            for message in reader:
                for result in served.eval_batch(message.data):
                    writer.write_batch(result)
                    rows += result.num_rows
        finally:
            self._metrics.running.dec()
            count = partial(lambda family: family.labels(served._name))  # noqa: SLF001
            count(self._metrics.calls).inc()
            count(self._metrics.rows).inc(rows)
            count(self._metrics.seconds).observe(time.perf_counter() - started)

    def function(self, descriptor: flight.FlightDescriptor) -> Served:
        """The function that a call means. Raises KeyError, which the caller reads, where it is not served."""
        name = descriptor.path[0].decode() if descriptor.path else ""
        served = self._functions.get(name)
        if served is None:
            self._metrics.unknown.inc()
            text = f"no function {name!r} is served here; there are {', '.join(self._functions)}"
            log.error("%s", text)
            raise KeyError(text)
        assert isinstance(served, Served)
        return served

    def close(self) -> None:
        """Finish the calls that are under way, take no new ones."""
        self.shutdown()
        self._pool.shutdown()


def answers(host: str, port: int, seconds: float = 2.0) -> str | None:
    """What is wrong with the service at a port, or None: it is asked for its functions, as a client would."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what is listened on
    location = f"grpc://[{address}]:{port}" if ":" in address else f"grpc://{address}:{port}"
    try:
        with flight.connect(location) as client:
            list(client.list_flights(options=flight.FlightCallOptions(timeout=seconds)))
    except (OSError, pa.ArrowException) as error:
        return f"the Arrow Flight service does not answer: {type(error).__name__}"
    return None
