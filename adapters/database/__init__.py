"""PostgreSQL: the embedded server, the schema's migrations and the roles that may touch it."""
