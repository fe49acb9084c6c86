"""Benchmarks. Each is a script: `python -m bench.<name> --help`."""
