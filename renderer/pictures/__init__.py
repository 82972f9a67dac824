"""Picture files: metadata that makes them again, start pictures, files named by a request."""
