"""The ingest and embed processes: Kafka records into PostgreSQL, exactly once."""
