"""The command line for operators: `./herald --help`.

The modules in commands/ parse options and print results. The other modules do the work and do not
depend on the command line.
"""
