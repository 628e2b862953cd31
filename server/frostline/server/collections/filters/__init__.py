"""Filters over payloads: their language, what they mean, and how rows that match are found."""
