"""Detectors of everything that can be wrong with images."""
