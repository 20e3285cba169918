"""Training: what is computed once and kept, and what is learned from it."""
