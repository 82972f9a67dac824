"""How answers and pictures are judged: briefs with known answers, the pocket judge, detectors, vision models."""
