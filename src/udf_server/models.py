"""Model versions that functions hold in memory: a new one is read while calls go on.

A module that holds models has two functions: `model_versions()`, name → items, and `refresh_models(everything=…)`,
which reads new and changed files and returns their names. It is called at the start, when files change (looked at every
few seconds) and on SIGHUP, then for all files. A file that cannot be read leaves what is in memory as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Event, Thread
from types import ModuleType

from udf_server.observed import Metrics

log = logging.getLogger("udf_server")


class Models:
    """Keeps the models of some modules up to date, in a thread of its own until `close`."""

    def __init__(self, modules: Iterable[ModuleType], metrics: Metrics, every: float) -> None:
        """Read what is there now, then look for changes every so many seconds; 0 is never."""
        self._modules = [module for module in dict.fromkeys(modules) if hasattr(module, "refresh_models")]
        self._metrics = metrics
        self._every = every
        self._wake = Event()
        self._everything = False
        self._closed = False
        self._failed = ""
        self._look(everything=False)
        self._thread = Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    def reload(self) -> None:
        """Have all model files read again, soon."""
        self._everything = True
        self._wake.set()

    def close(self) -> None:
        """Stop looking."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def versions(self) -> dict[str, int]:
        """The versions in memory and how many items each has."""
        return {name: items for module in self._modules for name, items in module.model_versions().items()}

    def show(self) -> None:
        """Set the metric of versions to those in memory."""
        self._metrics.model_items.clear()
        for name, items in self.versions().items():
            self._metrics.model_items.labels(name).set(items)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._every or None)
            self._wake.clear()
            everything, self._everything = self._everything, False
            if not self._closed:
                self._look(everything=everything)

    def _look(self, *, everything: bool) -> None:
        for module in self._modules:
            try:
                read = module.refresh_models(everything=everything)
            except Exception as error:  # noqa: BLE001 - of any module; what is in memory goes on serving
                self._metrics.reload_failures.inc()
                text = describe(error)
                if text != self._failed or everything:
                    log.error("%s; what is in memory stays. Write it again: millstream embed", text)
                self._failed = text
                continue
            self._failed = ""
            for name in read:
                self._metrics.reloads.inc()
                log.info("read model version %s", name)


def describe(error: Exception) -> str:
    """An error and those in it, in one line."""
    if isinstance(error, ExceptionGroup):
        return f"{error.message}: {'; '.join(describe(inner) for inner in error.exceptions)}"
    notes = f" ({', '.join(error.__notes__)})" if hasattr(error, "__notes__") else ""
    return f"{type(error).__name__}: {error}{notes}"
