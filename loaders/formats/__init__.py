"""One file per log format: a class that reads it, or a mapping (YAML); `registry` knows them by name."""
