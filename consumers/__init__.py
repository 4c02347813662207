"""From the event log into the warehouse: a loop, a writer for each kind of record, dead letters, a supervisor."""
