"""Many briefs or plans from one file → pictures, plans, critiques and a manifest: `ditpipe batch`."""
