"""Optuna studies over the fusion (which layers, gate widths, heads); not built yet."""
