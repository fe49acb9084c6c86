"""Send event logs to Kafka topics."""
