"""Who did what: access records of calls, of the worker and of our own calls outward."""
