"""Sends a trained model to the Hugging Face hub: what is sent, its card, the upload."""
