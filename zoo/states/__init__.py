"""The store of the hidden states that a frozen language model computes."""
