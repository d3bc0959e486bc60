"""The case desk: a small web page on which a privacy officer reads cases and says what is done about them.

It reads and writes the case store alone. It shows counts in bands, times in quarters of an hour, never a device.
"""
