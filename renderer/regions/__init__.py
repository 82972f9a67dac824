"""From boxes to attention: which prompt each image token attends to, with which weight, at which depth."""
