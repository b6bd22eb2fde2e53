"""Training a VLA end to end, from one process to many."""
