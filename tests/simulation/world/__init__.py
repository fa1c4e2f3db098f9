"""A broker's days from one seed: virtual time, a provider in memory, and everything going wrong."""
