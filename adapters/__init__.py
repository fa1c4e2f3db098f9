"""The outside as our ports see it: databases, providers, platforms, banks, and their simulators."""
