"""Captions in JSON of models that take boxes by themselves."""
