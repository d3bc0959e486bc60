"""Reads octets of one protocol each and says what they mean; raises nothing but DissectError."""
