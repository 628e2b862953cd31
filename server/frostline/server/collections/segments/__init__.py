"""What is derived from the rows: immutable segments, the tail, and their upkeep."""
