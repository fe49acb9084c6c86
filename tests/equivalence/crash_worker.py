"""A worker in a process of its own, to be killed: python -m tests.equivalence.crash_worker DSN"""

from __future__ import annotations

import sys
import threading

from millstream.engine.tick.worker import Worker


def main() -> None:
    """Run until killed."""
    with Worker(sys.argv[1], clock="event") as worker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        worker.run(threading.Event())


if __name__ == "__main__":
    main()
