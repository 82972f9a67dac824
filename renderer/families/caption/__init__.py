"""Models that take boxes by themselves: the whole plan is one caption in JSON."""
