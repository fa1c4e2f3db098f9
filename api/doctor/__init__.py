"""What `counterfoil doctor` looks at: logs in everywhere, changes nothing, and says what to do."""
