"""What images and videos are, read from their bytes. Pure."""
