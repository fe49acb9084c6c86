"""MS090 to MS099: what the server says that is no fault of a definition. {what} is what was being done."""

from __future__ import annotations

SERVER: dict[str, tuple[str, str, str]] = {
    "MS090": (
        "{what}: waiting for a lock",
        "{message}: a reader's transaction, a tick of the worker or another deployment has been in the way",
        "run again when it has ended; `lock_timeout` in profiles.yml sets another limit",
    ),
    "MS091": (
        "{what}: the connection is lost",
        "{message}",
        "`millstream status` says whether the server runs; what was not finished is undone, run again when it does",
    ),
    "MS092": (
        "{what}: no room",
        "{message}",
        "free some room on the file system of the home (df -h shows it) and run again; what was not finished is undone",
    ),
    "MS093": (
        "{what}: no memory, or another limit of the server",
        "{message}",
        "end what takes it (free -m; `millstream status` shows who is connected) and run again; what was not finished is undone",
    ),
    "MS094": (
        "{what}: a right is missing",
        "{message}",
        "deploy as the owner: leave the user out of profiles.yml, or take the one of `millstream dsn --role owner`; readers "
        "may read the views whose names begin with the var reader_prefix (serve_)",
    ),
    "MS095": (
        "{what}: ended before it was done",
        "{message}",
        "somebody ended it, or `statement_timeout` did; nothing of it is left, run again",
    ),
    "MS099": (
        "{what}: PostgreSQL stopped it",
        "{message} (SQLSTATE {state})",
        "the server's log in the home says more (logs/); report it where it is not the machine's",
    ),
}
