"""Who may do what: tokens, keys, certificates, and the reviewed file of rights."""
