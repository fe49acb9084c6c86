"""MS028, MS029, MS032 to MS035, MS037 to MS039, MS041, MS045: what is found when something is deployed, after its SQL is read."""

from __future__ import annotations

NOT_ACCEPTED = "PostgreSQL, which computes it here, does not accept that"
OTHERWISE = "cast the operands to types that it takes, or write it otherwise"
OTHER_KIND = "a {kind} of that name is deployed"

DEPLOYMENT: dict[str, tuple[str, str, str]] = {
    "MS028": (
        "{name}: {construct}",
        NOT_ACCEPTED,
        OTHERWISE,
    ),
    "MS028/part": ("{name}: {construct}", f"{NOT_ACCEPTED}: {{message}}", OTHERWISE),
    "MS028/value of a column": (
        "column {column}: {message}",
        "PostgreSQL, which computes its values here, does not accept that",
        "correct the expression, or compute the value in staging",
    ),
    "MS029": (
        "{name}: {fault} in the compiler",
        "this is a fault of the compiler ({message}), and not of the model",
        "report it with the text of the model; until it is mended, write the model in smaller steps",
    ),
    "MS032": (
        "{name}",
        OTHER_KIND,
        "choose another name, or remove the other from the project and drop it (dbt run-operation drop_removed)",
    ),
    "MS032/of somebody else": (
        "{name}",
        "{schema}.{name} exists in the database and was not deployed by Millstream",
        "drop or rename it, or choose another name",
    ),
    "MS032/function": ("{name}", OTHER_KIND, "drop it or choose another name"),
    "MS032/built in": (
        "{name}",
        "{name} is the name of a built-in function",
        "choose another, such as {name}_v1",
    ),
    "MS033": (
        "function {name}",
        "its signature changed, and RisingWave never replaces a function",
        "give it a new name with a higher version and change the models that call it",
    ),
    "MS034": (
        "sink",
        "its source, its target or their columns do not fit",
        "select exactly the columns of a source table from one materialized view",
    ),
    "MS034/source": ("sink", "a sink reads one materialized view", "write  from view  in the sink"),
    "MS034/no target": (
        "sink into {target}",
        "there is no such source table",
        "deploy it first (dbt run --select +{sink}), or correct the name",
    ),
    "MS034/columns": (
        "sink into {target}",
        "columns differ: {columns}",
        "select exactly the columns of the table",
    ),
    "MS035": (
        "source table {name}",
        "only new nullable columns at the end can be added to a table that holds rows",
        "load into a table of a new name, or rebuild with --full-refresh, which empties it",
    ),
    "MS041": (
        "function {name}",
        "there is no file of that name for the Python function",
        "create it in udfs/",
    ),
    "MS045": (
        "columns of {name}",
        "they changed, and the view {reader} needs the old ones: {message}",
        "let {reader} do without them first (dbt run --select {reader}), then run {name}",
    ),
    "MS037": (
        "name {schema}.{name}",
        "schemas of the engine and of the database are theirs, and a schema's name has letters and no dot",
        "deploy it into a schema of your own, such as public",
    ),
    "MS039": (
        "setting of the project",
        "the engine knows columns and views by names that the project's vars give",
        "correct the var in dbt_project.yml",
    ),
    "MS039/column": (
        "{detail}",
        "the engine finds the moments of events by the name of a column",
        "write the column's name, or leave the var out",
    ),
    "MS039/minutes": (
        "future_minutes: {detail}",
        "how far senders' clocks may be ahead is a number of minutes, 0 or more",
        "write  future_minutes: 5, or leave the var out",
    ),
    "MS039/prefixes": (
        "reader_prefix: '{reader}', writer_prefix: '{writer}'",
        "by them the engine tells the views of readers from those of the writer, and both from all others",
        "give each its own, neither empty nor the beginning of the other, such as serve_ and load_",
    ),
    "MS038": ("index on {view} ({column})", "the view has no such column", "correct the name"),
}
