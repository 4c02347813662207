"""Who may do what in the embedded engine."""
