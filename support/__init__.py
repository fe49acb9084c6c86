"""Which SQL is kept, on which engine: a list of constructs in code, each with an example that a test runs.

`python -m support > docs/sql-support.md` writes the page. How the embedded engine keeps a construct is found
by compiling its example, and whether RisingWave would refuse it by the check that dbt's models pass; what is written by
hand is the example, where RisingWave documents it, and what RisingWave does with what is refused here.
"""
