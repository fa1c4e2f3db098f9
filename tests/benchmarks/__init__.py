"""Measurements: each prints its figures beside those of a peer, taken in the same run."""
