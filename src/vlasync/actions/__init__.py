"""What an action means: frames and normalisation."""
