"""Readers of the dataset layouts that are in use."""
