"""Recommendations: what records a user may like, from what is known of users and of records."""
