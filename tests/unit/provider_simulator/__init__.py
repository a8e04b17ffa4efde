"""Tests of the provider simulator, most of them over a real loopback connection."""
