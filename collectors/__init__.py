"""The ingest process: Kafka records into PostgreSQL, exactly once."""
