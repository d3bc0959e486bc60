"""The front door: wires the verbs of collector and rules, and the embedded service. It decides nothing."""
