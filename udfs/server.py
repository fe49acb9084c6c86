"""Serves every function of this folder to RisingWave over Arrow Flight: `python -m udfs.server [HOST:PORT]`.

RisingWave turns a whole chunk of rows into NULL when one of them raises, so each call is caught on its own: the row is
NULL, the error is logged, and the view below serves that user in the order of the SQL score.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import pyarrow as pa
from arrow_udf import UdfServer, udf

from udfs.blend_v1 import blend_v1

logger = logging.getLogger(__name__)

DEFAULT_LOCATION = "0.0.0.0:8815"

TEXTS, NUMBERS = pa.list_(pa.string()), pa.list_(pa.float64())
RECOMMENDED = pa.list_(
    pa.struct(
        [
            pa.field("item_id", pa.string()),
            pa.field("score", pa.float64()),
            pa.field("strategy", pa.string()),
            pa.field("reason_item_id", pa.string()),
        ]
    )
)
# Function, types of its arguments, type of its result: the Arrow form of udfs/ddl/*.yml.
FUNCTIONS: tuple[tuple[Callable[..., Any], list[pa.DataType], pa.DataType], ...] = (
    (
        blend_v1,
        [TEXTS, NUMBERS, NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS, pa.float64(), pa.string()],
        RECOMMENDED,
    ),
)


def null_on_error(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with NULL in place of an exception of any one row."""

    @wraps(function)
    def caught(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception:  # whatever a row does wrong must not take the other rows with it
            logger.exception("%s failed for one row", function.__name__)
            return None

    # arrow-udf names the arguments after the signature, and does not look through a wrapper.
    caught.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return caught


def make_server(location: str = DEFAULT_LOCATION) -> UdfServer:
    """A server with every function, bound to `host:port` and not yet serving."""
    server = UdfServer(location=location)
    for function, input_types, result_type in FUNCTIONS:
        server.add_function(udf(input_types=input_types, result_type=result_type)(null_on_error(function)))
    return server


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO)
    location = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_LOCATION
    logger.info("serving %s on %s", ", ".join(function.__name__ for function, _, _ in FUNCTIONS), location)
    make_server(location).serve()


if __name__ == "__main__":
    main()
