"""Everything that makes the shipped weights: beside the house, never imported by it, not in the wheel."""
