"""The settings of an embedded server: `millstream.conf`, which postgresql.conf includes, and the access rules."""

from __future__ import annotations

from millstream.server.options import Options

HEADER = """\
# Written by Millstream at every start: changes here are lost. Put your own settings in local.conf beside this file;
# they come last and win.
"""

INCLUDES = """
# Millstream's settings, then your own (local.conf is never written by Millstream).
include = 'millstream.conf'
include_if_exists = 'local.conf'
"""

LOCAL = """\
# Your own PostgreSQL settings, for example: shared_buffers = '1GB'. They win over millstream.conf at the next start.
"""

ACCESS = """\
# Written by Millstream at every start. Passwords are in server.json of the home directory.
host all all 127.0.0.1/32 scram-sha-256
"""

SETTINGS: dict[str, str] = {
    # Reached over loopback TCP only; passwords are stored and checked as SCRAM verifiers.
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # Room for the locks that a client may take before the watchdog ends it, and for the notifications that it may send.
    "max_locks_per_transaction": "512",
    "max_notify_queue_pages": "131072",
    # Every session begins with a function (rights.py) and writers call triggers: a millisecond each time, saved.
    "shared_preload_libraries": "plpgsql",
    # One laptop: 2 GiB for everything.
    "shared_buffers": "512MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "1",
    # Ticks are short statements: compiling them costs more than it saves.
    "jit": "off",
    # An acknowledged row is never lost. wal_level=minimal lets a rebuilt view skip the log: its table is new in the
    # same transaction and is synced at commit instead.
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "log_checkpoints": "off",
    # State tables are updated in place all day: vacuum early, often, and without long naps.
    "autovacuum_naptime": "5s",
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_threshold": "200",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "autovacuum_vacuum_cost_limit": "2000",
    # Ticks and reads go through indexes whatever the statistics say, the worker analyzes what grows, and every analyze
    # makes all plans of a table be made again.
    "autovacuum_analyze_threshold": "5000",
    "autovacuum_analyze_scale_factor": "0.1",
    # One meaning of time and text everywhere.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "lc_messages": "C",
    "client_encoding": "UTF8",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "millstream",
    # No values in the log: not of statements that fail, not of parameters, not of keys in the detail of an error.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


OWNERS = 40
"""Connections that only the owner gets: for the worker, deployments, dbt and people."""
LOGINS = 60
"""Connections that may be in the middle of a login, beside all that readers, writers and the owner may have."""


def connection_settings(options: Options) -> dict[str, str]:
    """How many connections there are: a full house of readers and writers still leaves room for logins and the owner."""
    return {
        "max_connections": str(options.readers + options.writers + LOGINS + OWNERS),
        "superuser_reserved_connections": str(OWNERS),
        "authentication_timeout": f"{options.authentication_seconds}s",
    }


def render(port: int, options: Options) -> str:
    """Return the text of `millstream.conf` for a server on `port`."""
    settings = {**SETTINGS, **connection_settings(options), "port": str(port)}
    return HEADER + "\n".join(f"{name} = '{value}'" for name, value in settings.items()) + "\n"
