"""Who the clients are: registration, trading accounts, activity by reference."""
