"""Whether an encoder helps: learning curves of a head on it against learning from scratch, and a verdict."""
