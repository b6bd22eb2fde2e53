"""Readers of other people's formats; each gives a sequence of `Episode`."""
