"""From the name of a model to a loaded pipeline: the table, folders, the hub, single files."""
