"""From a VLM to a VLA: prompt, action token, policy head, loss."""
