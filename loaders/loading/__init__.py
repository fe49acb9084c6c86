"""Bring data in: a log all at once or replayed live, a table, raw messages."""
