"""Scores with intervals, trivial baselines, losses that know what is not known."""
