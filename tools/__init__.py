"""Acts: the verbs as tools that other frameworks can call."""
