"""Read models: tables folded from the log, which can be thrown away and folded again."""
