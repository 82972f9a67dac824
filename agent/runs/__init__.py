"""A run: its folder, record and state, the steps of its loop, and running or resuming it."""
