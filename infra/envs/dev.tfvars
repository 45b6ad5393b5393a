# An example of a stage for development, whose data does not need to be kept for long.
stage       = "dev"
name_prefix = "dev-"

jwt_issuer      = "https://login.dev.example.com"
allowed_origins = ["http://localhost:3000"]

log_level            = "DEBUG"
log_retention_days   = 7
key_deletion_days    = 7
secret_recovery_days = 0
