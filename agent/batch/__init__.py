"""`ditpipe batch`: draws the briefs or plans of one file; writes pictures, plans, critiques and a manifest."""
