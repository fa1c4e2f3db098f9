"""What `counterfoil` does, one module for each family of commands; `api/cli.py` is its door."""
