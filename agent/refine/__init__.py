"""After a round: who judges the picture, and what the next round changes."""
