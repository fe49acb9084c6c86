"""One answer from a process that was started to the one that started it, as JSON through a pipe."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millstream.errors import MillstreamError
from millstream.server.process import tail


class Teller:
    """The started process's end: says one thing, once. Without a descriptor nobody listens."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def tell(self, **content: object) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(content).encode())
            os.close(self._descriptor)
            self._descriptor = None


class ReportListener:
    """The starting process's end. Give `writing` to the process (pass_fds), then `close_writing`, then `listen`."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()

    def close_writing(self) -> None:
        os.close(self.writing)

    def listen(self, timeout: float) -> dict[str, Any] | None:
        """Return what was told, or None if the process ended, or `timeout` seconds passed, without a word."""
        try:
            if not select.select([self._reading], [], [], timeout)[0]:
                return None
            text = os.read(self._reading, 65536)  # one write of less than a pipe holds arrives whole
            return dict(json.loads(text)) if text else None
        finally:
            os.close(self._reading)


def start_telling(
    start: Callable[[int], object], log_path: Path, timeout: float, what: str
) -> dict[str, Any]:
    """Start a process with `start`, which is given the descriptor for its answer; return what it told.

    Raises MillstreamError with its error, or with the lines of its log where it ended, or `timeout` seconds passed,
    without a word.
    """
    log_start = log_path.stat().st_size if log_path.exists() else 0
    listener = ReportListener()
    try:
        start(listener.writing)
    finally:
        listener.close_writing()
    answer = listener.listen(timeout)
    if answer is None:
        raise MillstreamError(f"{what} does not start. Its log {log_path} says:\n{tail(log_path, log_start)}")
    if "error" in answer:
        raise MillstreamError(answer["error"])
    return answer
