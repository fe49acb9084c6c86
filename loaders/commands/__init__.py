"""The commands `load`, `replay` and `embed`. They take a DSN, so they need nothing of the engine but its address."""
