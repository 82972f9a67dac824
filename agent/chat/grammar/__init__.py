"""The embedded listener: a grammar over the person's words, for machines without a model that understands them."""
