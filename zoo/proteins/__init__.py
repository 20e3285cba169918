"""Protein records, readers of structure files, graphs and batches."""
