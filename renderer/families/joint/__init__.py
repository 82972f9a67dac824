"""Families whose text and image share one attention. family.py is their base; single_stream.py serves two of them."""
