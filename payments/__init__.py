"""Payments: deposits, withdrawals, payouts, disputes and conversions, decided as facts."""
