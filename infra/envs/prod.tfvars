# An example of a stage for production.
aws_account_id = "222222222222" # yours
aws_region     = "eu-central-1"

stage = "prod"

keep_outputs = true

jwt_algorithm   = "RS256"
jwt_issuer      = "https://login.example.com"
jwt_jwks_url    = "https://login.example.com/.well-known/jwks.json"
allowed_origins = ["https://app.example.com"]

alarm_email         = "oncall@example.com"
deletion_protection = true
log_retention_days  = 90
tracing             = true
