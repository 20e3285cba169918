"""Compare fusions: train and score each of them on the same data with the same settings."""
