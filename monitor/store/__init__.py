"""PostgreSQL: the only ORM and the only engine."""
