"""What a project wants deployed, and how that differs from what runs: the same for both engines."""
