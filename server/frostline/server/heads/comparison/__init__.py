"""Which encoder suits a set of labelled examples, and at which depth: what each says of them, side by side."""
