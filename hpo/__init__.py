"""Optuna studies over the fusion: which layers exchange, gate widths, attention heads."""

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)  # what it tells is told by hpo.run
