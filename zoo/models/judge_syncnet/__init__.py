"""Judge SyncNet: a small SyncNet for the faces of the generated corpora."""
