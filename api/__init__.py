"""Every way in, and the only place that wires things together."""
