"""A request's texts on their way through the encoders: files that they name, lengths, word weights, what is dropped."""
