"""What measures pictures for evaluations."""
