"""From the name of a model to a loaded pipeline: registry, folders, the hub, single files."""
