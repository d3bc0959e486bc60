"""Agreements and evidence that come from, or go to, programs and offices elsewhere."""
