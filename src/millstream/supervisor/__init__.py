"""The supervisor: it owns PostgreSQL, the worker and the gate of one home, and starts each again when it dies."""
