"""Call Python functions for the rows of a tick, each row on its own: a bad row gives NULL and a count."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from millstream.engine.catalog.records import PythonFunction
from millstream.engine.state.looked_up import LookedUp
from millstream.engine.state.written import Writer, writer_of
from millstream.errors import MillstreamError

log = logging.getLogger("millstream.udf")


@dataclass
class Functions:
    """The registered Python functions; `errors` counts failed rows by function."""

    definitions: Mapping[str, PythonFunction]
    loaded: dict[str, Callable[..., Any]] = field(default_factory=dict)
    writers: dict[str, Writer] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    last_error: dict[str, str] = field(default_factory=dict)
    looked_up: LookedUp = field(default_factory=LookedUp)

    def get(self, name: str) -> Callable[..., Any]:
        """Return a function, importing its file once."""
        if name not in self.loaded:
            function = self.definitions[name]
            module = load_module(Path(function.module), function.entry)
            self.looked_up.serve(module, name.rpartition(".")[0])
            self.loaded[name] = getattr(module, function.entry)
            self.writers[name] = writer_of(function.returns)
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
        function, written = self.get(name), self.writers[name]
        results: list[str | None] = []
        for row in rows:
            try:
                results.append(written(function(*row)))
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


def load_module(module: Path, entry: str) -> ModuleType:
    """Import the file of a function, which may import its neighbours as a package."""
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
    if not callable(getattr(loaded, entry, None)):
        raise MillstreamError(
            f"{module} has no function {entry}\n  hint: name the function like the model, or set entry"
        )
    return loaded
