"""Durable, searchable sets of records."""
