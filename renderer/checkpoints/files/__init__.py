"""Where the files of a checkpoint are, and what they tell before a weight is loaded: folders, the hub, single files."""
