"""What deploying and ticking share: sources, stored relations, Python functions, locks, the clock."""
