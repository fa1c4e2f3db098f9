"""The house behind the doors: what it is told, how it is wired, and what keeps it going."""
