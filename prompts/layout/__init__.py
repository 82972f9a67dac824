"""Boxes and canvases: places in words, what LLMs give made a layout, which token belongs to whom. Pure geometry."""
