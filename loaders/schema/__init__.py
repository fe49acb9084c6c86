"""What loaders and server agree on: source relations, their rows, ids that name nobody, and the error that stops a loader."""
