"""MS101 to MS109: what is refused when a project is rolled out to RisingWave."""

from __future__ import annotations

ROLLOUT: dict[str, tuple[str, str, str]] = {
    "MS101": (
        "what RisingWave says to  {statement}",
        "{message}",
        "correct what the message names and deploy again; what was not reached is as it was",
    ),
    "MS102": (
        "{name} is a {found}",
        "a {found} does not become a {kind}",
        "remove it from the project and run  dbt run-operation rw_drop_removed, or give the {kind} another name",
    ),
    "MS103": (
        "its declaration changed by more than new nullable columns at the end",
        "{name} holds rows that came from outside",
        "load into a table of a new name, or drop it with its rows and its readers:  "
        "dbt run --full-refresh --select {model}+",
    ),
    "MS104": (
        "{model} is there with another signature or link",
        "RisingWave never replaces a function",
        "give the changed one a new name with a higher version, and let the models call that; or keep the link {link} "
        "as a name that moves to the new server",
    ),
    "MS105": (
        "{model} was not replaced: its new version has no rows",
        "the one that is served has some",
        "look at {built}; if that is right, set MILLSTREAM_ALLOW_EMPTY=1 and deploy again",
    ),
    "MS106": (
        "type: risingwave  for the target {target}",
        "that is the adapter dbt-risingwave, which skips what changed; nothing was changed",
        "write  type: millstream_risingwave  there; every other key of the target stays as it is",
    ),
    "MS107": (
        "RisingWave does not answer at {place}",
        "{message}",
        "start it (make up TARGET=risingwave), or set RISINGWAVE_HOST and RISINGWAVE_PORT; nothing was changed",
    ),
    "MS108": (
        "there is no earlier version to go back to",
        "`millstream deploy` keeps the builds that it replaces, until the next deploy or `dbt run`",
        "change the models back and deploy them",
    ),
    "MS109": (
        "dbt-risingwave is not installed",
        "the adapter millstream_risingwave stands on it",
        "pip install 'millstream[risingwave]'",
    ),
}
