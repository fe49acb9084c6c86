"""Property tests: the incremental engine against PostgreSQL, DuckDB and a tape, all of them independent of it."""
