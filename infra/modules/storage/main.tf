# Open connections, one item per user. The table has no backups, because items are short-lived and
# clients that reconnect create them again.
resource "aws_dynamodb_table" "connections" {
  #checkov:skip=CKV_AWS_28:Items are short-lived, and clients that reconnect create them again
  name                        = "${var.name}-connections"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "user_id"

  attribute {
    name = "user_id"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}

# Events by user and position. A client that reconnects receives its missed events from this table.
resource "aws_dynamodb_table" "inbox" {
  #checkov:skip=CKV_AWS_28:A variable turns the backups off for small stages
  name                        = "${var.name}-inbox"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "user_id"
  range_key                   = "position"

  attribute {
    name = "user_id"
    type = "S"
  }

  attribute {
    name = "position"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.inbox_backups
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}

# Hashes of API keys. The table has backups, because issued keys are recorded only here.
resource "aws_dynamodb_table" "api_keys" {
  name                        = "${var.name}-api-keys"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "key_id"

  attribute {
    name = "key_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}

locals {
  secrets = {
    database  = "PostgreSQL DSN: postgresql://…, or the JSON of an RDS secret"
    jwt       = "HS256 secret, or the PEM public key of the token issuer"
    providers = "JSON with the keys of each generation provider; set with `./herald provider`"
    webhook   = "One or more whsec_… signing secrets, separated by whitespace; several during a rotation"
  }
}

# Secrets without values: a value in HCL would be stored in the state. `./herald secret set` stores the values.
resource "aws_secretsmanager_secret" "this" {
  for_each = var.single_secret ? { all = "JSON with the values of ${join(", ", keys(local.secrets))}" } : local.secrets

  name                    = "${var.name}-${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}
