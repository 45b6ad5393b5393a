# An example of a stage for development: nothing in it needs to be kept for long.
aws_account_id = "111111111111" # yours
aws_region     = "eu-central-1"

stage       = "dev"
name_prefix = "dev-"

keep_outputs = true

jwt_issuer      = "https://login.dev.example.com"
allowed_origins = ["http://localhost:3000"]

log_level            = "DEBUG"
log_retention_days   = 7
key_deletion_days    = 7
secret_recovery_days = 0
