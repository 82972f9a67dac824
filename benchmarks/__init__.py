"""Figures about the whole: beside the house, never imported by it."""

import os

# Before transformers is imported, here and in every worker process: the figures are what should be read.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
