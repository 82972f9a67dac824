"""What a message asks for, carried out on a plan: commands, and the edits that they make. Pure."""
