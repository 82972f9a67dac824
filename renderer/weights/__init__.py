"""LoRAs, 8-bit weights, and offloading."""
