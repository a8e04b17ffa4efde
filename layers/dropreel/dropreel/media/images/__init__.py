"""Image files: format, displayed size, completeness."""
