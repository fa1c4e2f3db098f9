"""The doors, one module for each thing that has any."""
