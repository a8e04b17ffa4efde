"""What runs only on your own machine: the local cloud and the provider simulator."""
