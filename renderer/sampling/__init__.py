"""From noise to latents: schedules, the denoising loop, edits, and what makes steps cheaper."""
