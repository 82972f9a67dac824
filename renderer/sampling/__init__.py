"""From noise to latents: schedules, the denoising loop, edits, and caches that make steps cheaper."""
