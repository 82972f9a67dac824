"""Synthetic chat messages and their right rows: what the embedded model's adapter learns to understand from."""
