"""Nearest vectors: exact ones, and fast ones that know their recall."""
