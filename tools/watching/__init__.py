"""What operators see of a running service: logs, metrics, spans and probes."""
