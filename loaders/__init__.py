"""Bring data in: event logs (all at once or replayed live), catalogues, households and item embeddings.

A loader is a plain client of the source relations. It speaks the Postgres wire protocol with psycopg and knows nothing
about the engine behind it; `docs/howto/load-your-data.md` shows the commands. Imports go down this list:

commands                     load, replay, embed
embeddings, formats, kafka   item vectors of baskets; one file per log format; logs to Kafka topics
loading                      a log at once or live, a table, raw messages
mapping, target              files of any columns; the server that takes the rows
reading                      text files, fields, an event log in time order
schema                       the source relations, their rows, ids that name nobody, the error that stops a loader
"""
