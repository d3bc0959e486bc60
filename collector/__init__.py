"""Watches the wire and turns frames into flow events; knows nothing of agreements."""
