"""Agreement files: what a vendor promised, and what of it is missing."""
