"""Detectors that hold actions, gripper and statistics against the motion they describe."""
