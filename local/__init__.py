"""The local stack: Herald on one machine, with PostgreSQL, an AWS emulator, the applied Terraform
configuration and the studio.
"""
