"""The settings of sessions that compute views, and of functions that must read and write values as those do."""

from __future__ import annotations

import psycopg

SHARED = {"timezone": "UTC", "extra_float_digits": "1", "search_path": "public, pg_catalog"}

# A tick changes few rows of big tables: index lookups per changed row, whatever the statistics say.
SETTINGS = {
    "jit": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "synchronous_commit": "off",
    **SHARED,
    "work_mem": "32MB",
    "millstream.now": "-infinity",
    "millstream.last_now": "-infinity",
    "millstream.recording": "on",  # of what fails on a value
    "temp_buffers": "32MB",
}

PLANNING = ("jit", "enable_hashjoin", "enable_mergejoin", "enable_seqscan", "work_mem")  # that decide plans

# The clauses of a client's trigger: it writes values as a tick does, whatever the client's session has set.
AS_TICKS = (
    f"SET timezone TO '{SHARED['timezone']}' SET datestyle TO 'ISO, MDY' SET intervalstyle TO 'postgres' "
    f"SET extra_float_digits TO {SHARED['extra_float_digits']} SET bytea_output TO 'hex' "
    f"SET search_path TO {SHARED['search_path']}"
)


def plan_as_a_tick(conn: psycopg.Connection) -> None:
    """Plan what is left of the transaction as a tick is planned."""
    for name in PLANNING:
        conn.execute("select set_config(%s, %s, true)", [name, SETTINGS[name]])
