"""The queue of pictures to draw, the service that draws them, and the job handlers."""
