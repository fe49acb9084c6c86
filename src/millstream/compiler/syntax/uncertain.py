"""Expressions whose value is not decided by the row: what reads a clock, the session, or draws at random."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS
from millstream.compiler.dialect import called, write

CLOCK_TYPES = (*CLOCKS, exp.Localtime, exp.Localtimestamp)
CLOCK_NAMES = frozenset(
    [
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "statement_timestamp",
        "transaction_timestamp",
    ]
)
SPECIAL_TIMES = ("now", "today", "tomorrow", "yesterday")  # texts that PostgreSQL reads by the clock
TIMES = (exp.DType.DATE, exp.DType.TIME, exp.DType.TIMETZ, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)
SESSION = (exp.CurrentUser, exp.SessionUser, exp.CurrentRole, exp.CurrentCatalog, exp.CurrentSchema)
VOLATILE = frozenset(
    [
        "array_sample",
        "array_shuffle",
        "clock_timestamp",
        "current_database",
        "current_query",
        "current_schemas",
        "current_setting",
        "current_user",
        "currval",
        "gen_random_uuid",
        "inet_client_addr",
        "inet_client_port",
        "inet_server_addr",
        "inet_server_port",
        "lastval",
        "nextval",
        "random",
        "random_normal",
        "session_user",
        "set_config",
        "setseed",
        "setval",
        "system_user",
        "timeofday",
        "txid_current",
        "txid_current_if_assigned",
        "txid_current_snapshot",
        "txid_status",
        "uuid_generate_v4",
        "uuidv4",
        "uuidv7",
        "version",
    ]
)
CERTAIN = ("pg_column_size", "pg_input_is_valid", "pg_size_bytes", "pg_size_pretty", "pg_typeof")


def reads_clock(node: exp.Expr) -> bool:
    """Tell whether a node is the time of reading: now(), age(x), date 'today'."""
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.to.is_type(*TIMES):
        return node.this.name.strip().lower().startswith(SPECIAL_TIMES)
    name = called(node)
    return (
        isinstance(node, CLOCK_TYPES) or name in CLOCK_NAMES or (name == "age" and len(node.expressions) == 1)
    )


def volatile(node: exp.Expr) -> str | None:
    """What a node reads of the session or draws at random; None for anything else."""
    if isinstance(node, SESSION):
        return write(node).lower()
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    of_server = name.startswith("pg_") and name not in CERTAIN
    return f"{name}()" if name in VOLATILE or of_server else None
