"""Deploying: compare a definition with what runs, build what is new beside it, and swap."""
