"""Conversations with the outside: on this fact, ask that port, record the answer."""
