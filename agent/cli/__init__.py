"""The command `ditpipe` and the terminal chat."""
