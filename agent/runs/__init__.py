"""The folder of a run on disk: its record, its state, and which settings of an untrusted folder apply."""
