"""Turn replies into rows: what is proved becomes one, the rest is quarantined, with why."""
