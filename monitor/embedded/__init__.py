"""PostgreSQL and a Kafka-protocol broker from wheels, for `snellen up`."""
