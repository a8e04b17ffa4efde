"""Image and video files, read from their bytes. Pure."""
