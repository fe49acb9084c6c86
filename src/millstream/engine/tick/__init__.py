"""The worker: takes what is queued and brings every view to it, in one transaction."""
