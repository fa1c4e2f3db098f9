"""Keeping checkpoints: a folder outside the database, and the key that signs them."""
