"""Weights beside or instead of the published ones: LoRAs, 8-bit weights, offloading."""
