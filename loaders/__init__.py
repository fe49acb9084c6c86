"""Bring data in: event logs (all at once or replayed live), catalogues, households and item embeddings.

A loader is a plain client of the source relations. It speaks the Postgres wire protocol with psycopg and knows nothing
about the engine behind it; `docs/howto/load-your-data.md` shows the commands.
"""
