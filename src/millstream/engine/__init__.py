"""The embedded engine: what is deployed, the worker that keeps it, and what can be seen of both."""
