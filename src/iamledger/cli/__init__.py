"""The command line: one thin file per noun. It parses and prints; what it runs is in the rooms below."""
