"""CALVIN's long-horizon protocol: chains of five tasks without a reset between them, in a simulator of choice."""
