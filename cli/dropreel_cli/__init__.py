"""The `dropreel` command. It works the same against AWS and the local cloud."""
