"""Figures about the whole: beside the house, never imported by it."""
