"""Readers that the layouts use: containers, label files, alignment, pockets, model quality."""
