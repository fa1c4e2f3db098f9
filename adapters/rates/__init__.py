"""Sources of rates: the ECB's reference rates, the broker's own prices, a sandbox table."""
