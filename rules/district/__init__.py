"""The district's own rules: CEL expressions over one flow, linted, typed and tried on examples before they count."""
