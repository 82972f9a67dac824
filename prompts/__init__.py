"""The ground floor: the scene contract and the words sent to models."""
