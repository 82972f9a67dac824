"""One file per family of image models; base.py is what the denoising loop expects of each."""
