"""The recorded actions drive the play table again, in every representation."""
