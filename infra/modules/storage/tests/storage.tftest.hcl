# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name        = "herald-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/storage"
}

run "tables_and_secrets" {
  command = plan

  assert {
    condition = [
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.inbox, aws_dynamodb_table.api_keys] :
      join(" ", compact([table.name, table.hash_key, table.range_key]))
      ] == [
      "herald-test-connections user_id",
      "herald-test-inbox user_id position",
      "herald-test-api-keys key_id",
    ]
    error_message = "The functions rely on these names and keys."
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.inbox, aws_dynamodb_table.api_keys] :
      table.ttl[0].enabled && table.ttl[0].attribute_name == "expires_at"
    ])
    error_message = "Items of every table must expire by expires_at."
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.inbox, aws_dynamodb_table.api_keys] :
      table.server_side_encryption[0].enabled && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    ])
    error_message = "A table is not encrypted with the storage key."
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.inbox, aws_dynamodb_table.api_keys] : table.point_in_time_recovery[0].enabled
    ])
    error_message = "The inbox and the API keys must be restorable."
  }

  assert {
    condition     = { for name, secret in aws_secretsmanager_secret.this : name => secret.name } == { for name in ["database", "jwt", "providers", "webhook"] : name => "herald-test-${name}" }
    error_message = "There must be four secrets whose names begin with the stage's prefix."
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.kms_key_arn])
    error_message = "A secret is not encrypted with the storage key."
  }
}

run "recovery_window_is_checked" {
  command = plan

  variables {
    secret_recovery_days = 3
  }

  expect_failures = [var.secret_recovery_days]
}

run "lean" {
  variables {
    inbox_backups = false
    single_secret = true
  }

  command = plan

  assert {
    condition     = [for secret in aws_secretsmanager_secret.this : secret.name] == ["herald-test-all"]
    error_message = "There must be one secret for all values."
  }

  assert {
    condition     = !aws_dynamodb_table.inbox.point_in_time_recovery[0].enabled && aws_dynamodb_table.api_keys.point_in_time_recovery[0].enabled
    error_message = "Only the inbox may be without backups: the API keys are recorded only in their table."
  }
}
