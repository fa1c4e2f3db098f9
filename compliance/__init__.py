"""Who may be paid: the KYC case and the gate it closes."""
