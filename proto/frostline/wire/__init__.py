"""What client and server share beside the generated messages."""
