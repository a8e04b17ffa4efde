"""The `dropreel` command, for people: works the same against AWS and the local cloud."""
