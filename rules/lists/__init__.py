"""Lists of companies and their domains that other people keep, read as they publish them. One format a module."""
