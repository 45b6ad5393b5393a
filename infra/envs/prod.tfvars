# An example of a stage for production. manage_api_gateway_account is false because another stage in this
# account and Region (dev) already sets API Gateway's logging role.
stage = "prod"

jwt_algorithm   = "RS256"
jwt_issuer      = "https://login.example.com"
jwt_jwks_url    = "https://login.example.com/.well-known/jwks.json"
allowed_origins = ["https://app.example.com"]

alarm_email                = "oncall@example.com"
deletion_protection        = true
log_retention_days         = 90
manage_api_gateway_account = false
tracing                    = true
