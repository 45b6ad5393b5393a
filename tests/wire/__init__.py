"""What was asked of AWS, compared with AWS's own models and documented limits.

The emulator of a stack writes down each request (local/emulator_record.py). `decode` finds the
operation that a request is for and its parameters, by the protocol on the wire; `shapes` compares
them with botocore's model of that operation; `rules` has the documented limits that the models
lack; `policy` derives what the deploying role needs.
"""
