"""Layouts that people type into a prompt, or paste beside it."""
