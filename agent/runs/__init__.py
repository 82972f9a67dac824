"""The folder of a run on disk: its record, its state, and what of a stranger's folder counts."""
