"""From boxes to attention: boxes → token weights, prompt levels → blocks, both → cross- or joint attention."""
