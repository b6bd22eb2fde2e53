"""Closed-loop evaluation: the one place where a policy meets an environment."""
