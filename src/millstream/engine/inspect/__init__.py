"""Looking at a database that runs: its state, its figures, and how a model is kept."""
