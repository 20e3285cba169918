"""Reads structure and sequence files (formats, residues, chains), and writes structures."""
