"""Train a small language model from sequences alone: corpus, batches, loop, baselines."""
