"""Trained models at work: over new proteins, and over those that they are scored on."""
