"""What a trained model went by: how exchanges weighed the branches, and what moved the output."""
