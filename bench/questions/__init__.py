"""The questions of `python -m bench.run`: one file each, with `TITLE`, `ASKS`, `measure`, `section` and, where it helps, `plot`."""
