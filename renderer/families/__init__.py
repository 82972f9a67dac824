"""One file per family of image models. base.py is the interface; cross.py and joint/family.py its two kinds of
conditioning."""
