"""A local stand-in for the nohuman image-to-video provider: its documented contract over HTTP, with real videos."""
