"""Judge SyncNet: lip-sync confidence and distance (Out of time, ACCV workshops 2016)."""
