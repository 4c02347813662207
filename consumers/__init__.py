"""From the event log into the warehouse: one loop, one writer a record kind, and the dead letters."""
