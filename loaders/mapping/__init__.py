"""Column mappings: which fields of a file's records fill which columns of a source relation.

A mapping is a YAML document (`loaders/formats` has those that are shipped) or the `--map` options of a command.
`document` and `arguments` read one, `open_records` opens the files, `rows` applies it, and `mapped_log` offers the
result as an event log.
"""
