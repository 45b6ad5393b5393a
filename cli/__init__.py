"""The operators' command line: `./herald --help`.

commands/ parses and prints; the other modules do the work and know nothing of the command line.
"""
