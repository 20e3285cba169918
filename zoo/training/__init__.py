"""Train models: prepare and store their inputs, fit them, and save the best weights."""
