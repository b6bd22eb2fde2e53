"""What an audit found: in the terminal, as JSON and as a page."""
