"""Serves a project's functions to RisingWave over Arrow Flight: `millstream udf-server`, `python -m udf_server`.

project        the directory whose functions are served
declarations   udfs/*.yml and udfs/*.py → functions with Arrow types
python_values  Arrow columns → Python values
evaluation     a chunk of rows → a column, each row on its own
flight         the Arrow Flight service that RisingWave calls
look_up        rows of the database that functions look up by key, kept in memory
models         reading embeddings of a new version while calls go on
observed       what is counted, and /metrics and /healthz
command        the command line; starts and stops all of it
"""
