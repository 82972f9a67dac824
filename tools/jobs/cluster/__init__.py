"""Jobs that are drawn on a Ray cluster: the engine of the server, its Ray driver, the replicas, and kept results."""
