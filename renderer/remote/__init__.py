"""Draws on servers: OpenAI's Images API, and ditpipe's own."""
