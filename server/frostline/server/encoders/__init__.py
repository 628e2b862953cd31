"""Frozen encoders: input to embedding."""
