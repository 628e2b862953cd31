"""Ways to score records, each on its own."""
