"""The server that takes the rows: where it is, a connection to it, how fast it takes them, and which it refuses."""
