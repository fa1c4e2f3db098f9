"""How a call comes in and its answer goes out: strict, bounded, and the same for every route."""
