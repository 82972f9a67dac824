"""Decides: brief → plan → render → critique → revise."""
