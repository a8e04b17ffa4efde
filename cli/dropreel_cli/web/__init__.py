"""The page of `dropreel board`: the stack's images and videos in a browser, on the operator's own credentials.

It is an extra of the command (`dropreel[board]`): nothing outside this package imports it, but the subcommand that starts it.
"""
