"""Jobs: the engine that draws pictures, its queue, its handlers, and the service that tools use."""
