"""Delta tables: pinned versions, one write that is a transaction, rows by fate."""
