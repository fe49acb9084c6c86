"""What is declared beside models: source tables with their columns, and sinks."""
