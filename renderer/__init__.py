"""Draws: the regional diffusion transformer. The only floor that imports torch."""
