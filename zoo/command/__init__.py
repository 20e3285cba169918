"""What knows a terminal."""
