"""Records of formats whose own shape cannot be named by paths, in one that can."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
SCHEMA = re.compile(r"^iglu:[^/]+/(?P<name>[^/]+)/jsonschema/")
SHREDDED = re.compile(r"^(?P<kind>contexts|unstruct_event)_(?P<name>\w+?)(?:_\d+)+$")
ECOMMERCE = "com_snowplowanalytics_snowplow_ecommerce_"


def ga4(record: Record) -> Record:
    """Turn the list `event_params` of keys and typed values into an object."""
    parameters = record.get("event_params")
    if isinstance(parameters, list):
        record["event_params"] = {
            parameter["key"]: next(
                (v for v in (parameter.get("value") or {}).values() if v is not None), None
            )
            for parameter in parameters
            if isinstance(parameter, dict) and "key" in parameter
        }
    return record


def snowplow(record: Record) -> Record:
    """Put the event's and the contexts' own data under `event_data` and, as lists by schema name, under `entities`.

    Reads the columns of enriched TSV (self-describing JSON) and those of JSON and Parquet, one for each schema and
    version.
    """
    entities: dict[str, list[Any]] = {}
    data: Any = {}
    for name in ("contexts", "derived_contexts"):
        for entity in (_parsed(record.get(name)) or {}).get("data") or []:
            entities.setdefault(_schema_name(entity.get("schema")), []).append(entity.get("data"))
    if event := _parsed(record.get("unstruct_event")):
        data = (event.get("data") or {}).get("data") or {}
    for column, value in record.items():
        if value is not None and (found := SHREDDED.match(column)):
            if found["kind"] == "unstruct_event":
                data = _parsed(value)
            else:
                entities.setdefault(found["name"].removeprefix(ECOMMERCE), []).extend(_parsed(value))
    record["event_data"], record["entities"] = data, entities
    return record


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value else value
    except json.JSONDecodeError as error:
        raise ValueError(f"a JSON column is not JSON: {error}") from error


def _schema_name(schema: Any) -> str:
    found = SCHEMA.match(str(schema))
    return found["name"] if found else str(schema)


SHAPES: dict[str, Callable[[Record], Record]] = {"ga4": ga4, "snowplow": snowplow}
