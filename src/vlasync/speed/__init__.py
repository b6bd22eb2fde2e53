"""How fast a VLA acts and trains on this machine, and where the time goes."""
