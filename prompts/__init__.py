"""Scene plans, revisions and critiques, layouts, and the prompts sent to language models. No model is loaded here."""
