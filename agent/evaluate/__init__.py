"""`ditpipe evaluate`: the paper's experiments on any checkpoint, each with one self-contained report."""
