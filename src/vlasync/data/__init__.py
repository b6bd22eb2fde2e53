"""From demonstrations on disk to batches of windows."""
