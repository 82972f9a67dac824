"""Chat models by name, structured replies and their repair, and the local server."""
