"""Read logs: text files as lines, CSV records and JSON objects, fields as values, events in time order with sessions."""
