"""Names of what a trial tells of itself beside its value, for those who read it without torch."""

AFTER, EPOCHS, SECONDS, OWN_SECONDS = "after", "epochs", "seconds", "own_seconds"
"""Where it exchanges, and what it took; the last without its epochs."""
