"""What the engine remembers in the database: settings, what is deployed, and what each version reads."""
