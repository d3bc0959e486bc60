"""Looks at what the collector stands on: interfaces, rights, clock, disk, broker. Changes nothing."""
