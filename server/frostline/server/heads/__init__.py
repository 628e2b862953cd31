"""Heads: light estimators over frozen embeddings, trained beside the server and served in it."""
