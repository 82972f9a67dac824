"""Layouts of other programs, in and out. registry.py is the table; each format is a file."""
