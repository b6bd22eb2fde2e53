"""A run is a function that returns a full typed config."""
