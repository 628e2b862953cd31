"""Who may do what, and how connections are kept private."""
