"""Real-time recommendations as streaming SQL: the embedded engine and the command line."""
