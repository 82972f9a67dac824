"""Layouts in the files of painting programs, node graphs and data sets."""
