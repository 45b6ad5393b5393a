"""Herald on one machine: PostgreSQL, an AWS emulator, the applied Terraform and the studio."""
