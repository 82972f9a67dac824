"""What measures pictures for evaluations: their objects, and how close they are to their originals."""
