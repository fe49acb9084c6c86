"""`millstream …`: one command, one file; the tuple below is the whole list.

A new command is a module of this package with a `command` (a click command whose help ends in an example), its import,
and its place in `COMMANDS`.
"""

from __future__ import annotations

from millstream.cli import (
    backup,
    consume,
    demo,
    deploy,
    down,
    dsn,
    embed,
    explain,
    forget,
    load,
    metrics,
    migrate,
    psql,
    recommend,
    replay,
    rerank,
    restore,
    retry,
    status,
    udf_server,
    up,
    watch,
)
from millstream.cli.group import make_group

COMMANDS = (
    demo.command,
    up.command,
    down.command,
    status.command,
    metrics.command,
    deploy.command,
    migrate.command,
    backup.command,
    restore.command,
    psql.command,
    dsn.command,
    load.command,
    replay.command,
    consume.command,
    embed.command,
    recommend.command,
    rerank.command,
    retry.command,
    forget.command,
    explain.command,
    watch.command,
    udf_server.command,
)

main = make_group(COMMANDS)
