"""Detectors that hold sentences against their frames and against what moved."""
