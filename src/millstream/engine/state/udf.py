"""Call Python functions for the rows of a tick, each row on its own: a bad row gives NULL and a count."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millstream.engine.catalog.records import PythonFunction
from millstream.engine.state.functions import struct_fields
from millstream.errors import MillstreamError

log = logging.getLogger("millstream.udf")


@dataclass
class Functions:
    """The registered Python functions; `errors` counts failed rows by function."""

    definitions: Mapping[str, PythonFunction]
    loaded: dict[str, Callable[..., Any]] = field(default_factory=dict)
    fields: dict[str, list[str] | None] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    last_error: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Callable[..., Any]:
        """Return a function, importing its file once."""
        if name not in self.loaded:
            function = self.definitions[name]
            self.loaded[name] = load_function(Path(function.module), function.entry)
            self.fields[name] = struct_fields(function.returns)
        return self.loaded[name]

    def load(self) -> None:
        """Import every function now: the first tick that calls one need not wait for its libraries.

        One that cannot be imported is told of here, and raises when it is called.
        """
        for name in self.definitions:
            try:
                self.get(name)
            except Exception as error:  # noqa: BLE001 - a module may raise anything, and nobody has called it yet
                log.warning("%s cannot be loaded: %s", name, error)

    def call(self, name: str, rows: Iterable[Sequence[Any]]) -> list[str | None]:
        """Call a function once per row; returns its results as PostgreSQL writes them."""
        function, fields = self.get(name), self.fields[name]
        results: list[str | None] = []
        for row in rows:
            try:
                results.append(written(as_composite(function(*row), fields)))
            except Exception as error:  # noqa: BLE001 - whatever the function raises concerns this row alone
                self.failed(name, f"{type(error).__name__}: {error}")
                results.append(None)
        return results

    def failed(self, name: str, error: str) -> None:
        """Count a row for which a function has no result."""
        self.errors[name] = self.errors.get(name, 0) + 1
        if self.last_error.get(name) != error:
            log.warning("%s failed for a row: %s", name, error)
        self.last_error[name] = error


def load_function(module: Path, entry: str) -> Callable[..., Any]:
    """Import a function from a file, which may import its neighbours as a package."""
    if not module.exists():
        raise MillstreamError(
            f"the Python function {entry} is not where it was deployed from: {module}\n"
            "  hint: deploy it again from the project (dbt run --select resource_type:function)"
        )
    root = str(module.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    name = f"{module.parent.name}.{module.stem}"
    spec = importlib.util.spec_from_file_location(name, module)
    if spec is None:
        raise MillstreamError(f"cannot import {module}")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    # Not through Python's cache of bytecode, which takes a file of the same size and second for the same.
    exec(compile(module.read_bytes(), str(module), "exec"), loaded.__dict__)  # noqa: S102
    function = getattr(loaded, entry, None)
    if not callable(function):
        raise MillstreamError(
            f"{module} has no function {entry}\n  hint: name the function like the model, or set entry"
        )
    found: Callable[..., Any] = function
    return found


def as_composite(value: Any, fields: list[str] | None) -> Any:
    """Write structs, which Python functions return as dicts, as tuples in the declared order of fields.

    Raises KeyError for a field that was not declared, TypeError for what is neither a dict nor a list of them.
    """
    if fields is None or value is None:
        return value
    if isinstance(value, dict):
        unknown = set(value) - set(fields)
        if unknown:
            raise KeyError(f"undeclared fields {', '.join(sorted(unknown))}")
        return tuple(value.get(name) for name in fields)
    if isinstance(value, list):
        return [as_composite(item, fields) for item in value]
    raise TypeError(f"a struct is a dict of its fields, and not {type(value).__name__}")


def written(value: Any) -> str | None:
    """Write a result as PostgreSQL text; raises ValueError for text that PostgreSQL cannot hold."""
    text = literal(value)
    if text is not None and ("\x00" in text or not text.isascii()):
        text.encode()  # a lone surrogate is a UnicodeEncodeError
        if "\x00" in text:
            raise ValueError("a result has the character NUL, which PostgreSQL cannot hold")
    return text


def literal(value: Any) -> str | None:
    """Write a result as PostgreSQL text: lists as arrays, tuples as composite values."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, set)):
        return "{" + ",".join([element(item, "NULL") for item in value]) + "}"
    if isinstance(value, tuple):
        return "(" + ",".join([element(item, "") for item in value]) + ")"
    if isinstance(value, dict):
        return json.dumps(value)
    if hasattr(value, "item"):  # a numpy scalar
        return literal(value.item())
    return str(value)


def element(value: Any, null: str) -> str:
    """Write one element of an array or composite value; what needs no quotes has none."""
    text = literal(value)
    if text is None:
        return null
    if text.isalnum() and text.upper() != "NULL":
        return text
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
