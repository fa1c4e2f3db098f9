"""A broker's day in the sandbox: real HTTP, real webhooks, simulated providers, proven books."""
