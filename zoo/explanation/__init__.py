"""Explain predictions: how exchanges weigh the branches, and how residues contribute."""
