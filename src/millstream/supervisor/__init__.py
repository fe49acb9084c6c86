"""What runs in the background of a home.

`supervisor_process` is started by `millstream up` and runs a `supervisor`, which owns PostgreSQL, the `worker_process` and, where
there is TLS, the `gate_process` (looked after by the `gatekeeper`), and starts each again when it dies, later and later
(`backoff`). A process says once whether its start worked (`start_report`); for others the supervisor keeps a `state_file`.
"""
