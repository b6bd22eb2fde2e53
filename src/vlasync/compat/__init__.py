"""What other projects wrote, read as they meant it; nothing outside of here knows their names."""
