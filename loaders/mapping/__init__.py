"""Column mappings: which fields of a file's records fill which columns of a source relation.

A mapping is a YAML document (`loaders/formats` has those that are shipped) or the `--map` options of a command. `document` and
`arguments` read one, `records` reads the files, `rows` applies it, and `source` offers the result as an event log.
"""
