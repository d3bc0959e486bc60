"""One check a rule of the contract."""
