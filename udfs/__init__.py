"""Python functions that the SQL calls: one function per file, pure given its arguments and a model version."""
