"""Brief → plan: the planners, and the checks of what they answer."""
