"""The Book: money, accounts, journal entries, wallets, conversions, and the log they live in."""
