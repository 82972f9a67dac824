"""Interprets messages with a grammar, for machines without a chat model."""
