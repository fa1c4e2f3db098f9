"""The log on disk: recorder, codec, hash chain and group commit."""
