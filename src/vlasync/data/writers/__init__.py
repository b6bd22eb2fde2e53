"""Writers of the dataset layouts that others read."""
