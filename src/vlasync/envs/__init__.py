"""Simulated robots that speak Gymnasium and say what their numbers mean."""
