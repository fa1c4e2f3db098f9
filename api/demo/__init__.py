"""A broker's day in the sandbox: real HTTP, real webhooks, simulated providers, proven books."""

from api.demo.day import play

__all__ = ["play"]
