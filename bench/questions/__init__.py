"""The questions of `python -m bench.run`: one file each, with `TITLE`, `ASKS`, `measure` and `section`; what is drawn of them is in plots.py."""
