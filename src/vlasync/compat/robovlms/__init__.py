"""RoboVLMs: its policy heads, so that its weights act here as they do there."""
