"""Apply trained models: to new proteins, and to the samples that they are scored on."""
