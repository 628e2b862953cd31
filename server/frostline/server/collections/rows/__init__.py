"""What was acknowledged: the durable rows of a collection in one SQLite file."""
