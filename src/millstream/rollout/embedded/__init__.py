"""Rolling a project out to the embedded engine."""
