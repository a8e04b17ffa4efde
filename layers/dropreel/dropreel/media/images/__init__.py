"""Image files: format, size as displayed, whole or not."""
