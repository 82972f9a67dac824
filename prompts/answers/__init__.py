"""What language models answer: the schemas that they are sent, and the plans, revisions and commands made of them."""
