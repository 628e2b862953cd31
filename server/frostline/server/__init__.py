"""The server: encoders below the frost line, collections and what is trained above it."""
