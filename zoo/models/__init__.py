"""From a config to a model, and to disk and back."""
