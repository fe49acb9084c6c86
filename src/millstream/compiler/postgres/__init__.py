"""Plans and nodes as PostgreSQL text."""
