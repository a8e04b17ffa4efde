"""The nohuman image-to-video API: what a second provider would replace."""
