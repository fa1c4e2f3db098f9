"""Secrets: one port, and a vault, the environment or a plain dictionary behind it."""
