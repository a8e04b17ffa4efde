"""Prepares what linters cannot read as it is written: the SAM template and the state machine with its placeholders."""
