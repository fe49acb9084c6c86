"""Why a client could not connect: kafka-python keeps the cause to its log, and says only that it gave up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = "kafka.net.manager"


class _Causes(logging.Handler):
    """Keeps the last error that is told; that time ran out is none."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        from kafka.errors import KafkaTimeoutError

        arguments = record.args if isinstance(record.args, tuple) else ()
        for each in arguments:
            if isinstance(each, BaseException) and not isinstance(each, KafkaTimeoutError):
                self.last = each


@contextmanager
def telling_why() -> Iterator[None]:
    """Raise the cause of what the block raises as a KafkaError, where the client told one."""
    from kafka.errors import KafkaError, KafkaTimeoutError

    logger, causes = logging.getLogger(LOGGER), _Causes()
    level, passes_on = logger.level, logger.propagate
    logger.addHandler(causes)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    except KafkaTimeoutError as error:
        if causes.last is None:
            raise
        cause = causes.last.with_traceback(None)
        if isinstance(cause, KafkaError):
            raise cause from cause.__context__
        raise KafkaTimeoutError(str(error)) from cause
    finally:
        logger.removeHandler(causes)
        logger.setLevel(level)
        logger.propagate = passes_on
