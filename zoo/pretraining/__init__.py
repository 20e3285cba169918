"""Training of a small language model from sequences: corpus, batches, loop, baselines."""
