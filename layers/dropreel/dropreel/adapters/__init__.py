"""One outside thing each: the provider, the job table, S3, the event bus, the state machine, the secret."""
