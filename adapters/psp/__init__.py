"""Payment providers: one package per brand behind the ports of `payments.ports`."""
