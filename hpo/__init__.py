"""Search for a model's settings with Optuna: exchanging layers, widths, attention heads."""

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)  # zoo.search prints the same in its own words
