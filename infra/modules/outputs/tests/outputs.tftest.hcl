# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_resource {
  target = aws_kms_key.this
  values = { arn = "arn:aws:kms:eu-central-1:123456789012:key/outputs", key_id = "outputs" }
}

override_resource {
  target = aws_kms_alias.this
}

override_resource {
  target = aws_dynamodb_table.this
}

override_resource {
  target = aws_secretsmanager_secret.this
}

override_resource {
  target = aws_s3_bucket.this
  values = { id = "herald-test-outputs-123456789012-eu-central-1", arn = "arn:aws:s3:::herald-test-outputs-123456789012-eu-central-1" }
}

override_resource {
  target = aws_s3_bucket_ownership_controls.this
}

override_resource {
  target = aws_s3_bucket_public_access_block.this
}

override_resource {
  target = aws_s3_bucket_server_side_encryption_configuration.this
}

override_resource {
  target = aws_s3_bucket_lifecycle_configuration.this
}

override_resource {
  target = aws_s3_bucket_cors_configuration.this
}

override_resource {
  target = aws_s3_bucket_policy.this
}

override_resource {
  target = aws_sqs_queue.keep
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-keep" }
}

override_resource {
  target = aws_sqs_queue.dead_letter
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-keep-dlq" }
}

override_resource {
  target = aws_sns_topic_subscription.keep
}

variables {
  name               = "herald-test"
  queue_prefix       = "generation-complete"
  topic_arn          = "arn:aws:sns:eu-central-1:123456789012:generation-complete"
  messaging_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/messaging"
  storage_key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/storage"
  consumer_timeout   = 180
  redrive_principals = ["root"]
}

run "bucket" {
  assert {
    condition     = aws_s3_bucket.this.bucket == "herald-test-outputs-123456789012-eu-central-1"
    error_message = "The bucket's name must be unique in the world."
  }

  assert {
    condition = alltrue([
      for setting in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] :
      aws_s3_bucket_public_access_block.this[setting]
    ])
    error_message = "Public access must be blocked in all four ways."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs must be off."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      "${one(rule.apply_server_side_encryption_by_default).sse_algorithm} ${one(rule.apply_server_side_encryption_by_default).kms_master_key_id} ${rule.bucket_key_enabled}"
    ]) == "aws:kms arn:aws:kms:eu-central-1:123456789012:key/outputs true"
    error_message = "The objects must be encrypted with the module's own key."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key must be rotated."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      "${rule.status} ${one(rule.expiration).days} ${one(rule.abort_incomplete_multipart_upload).days_after_initiation}"
    ]) == "Enabled 30 1"
    error_message = "Copies must expire after the retention, and copies that were given up after a day."
  }

  assert {
    condition     = toset(one(aws_s3_bucket_cors_configuration.this.cors_rule).allowed_methods) == toset(["GET", "HEAD"])
    error_message = "Pages may only read."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      "${statement.Effect} ${statement.Action} ${statement.Condition.Bool["aws:SecureTransport"]} ${join(" ", sort(statement.Resource))}"
    ] == ["Deny s3:* false arn:aws:s3:::herald-test-outputs-123456789012-eu-central-1 arn:aws:s3:::herald-test-outputs-123456789012-eu-central-1/*"]
    error_message = "Requests without TLS must be denied, for the bucket and its objects."
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy
    error_message = "Without deletion protection, a stage is removed with its copies."
  }
}

run "table_and_secret" {
  assert {
    condition     = "${aws_dynamodb_table.this.name} ${aws_dynamodb_table.this.hash_key} ${one(aws_dynamodb_table.this.ttl).attribute_name}" == "herald-test-outputs generation_id expires_at"
    error_message = "The functions rely on these names."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.server_side_encryption).kms_key_arn == var.storage_key_arn && aws_secretsmanager_secret.this.kms_key_id == var.storage_key_arn
    error_message = "The table or the secret is not encrypted with the storage key."
  }
}

run "queue" {
  assert {
    condition     = "${aws_sqs_queue.keep.name} ${aws_sqs_queue.dead_letter.name}" == "generation-complete-keep generation-complete-keep-dlq"
    error_message = "The queues' names must begin with the topic's name."
  }

  assert {
    condition     = aws_sqs_queue.keep.visibility_timeout_seconds == 210
    error_message = "The message of a killed invocation must be received again soon after its timeout, but not before."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.keep.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead_letter.arn, maxReceiveCount = 5 }
    error_message = "After five attempts, a message must become a dead letter."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.keep.filter_policy) == { type = ["herald.generation.complete"] }
    error_message = "Only results may wake keep."
  }

  assert {
    condition     = aws_sns_topic_subscription.keep.raw_message_delivery && jsondecode(aws_sns_topic_subscription.keep.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letter.arn
    error_message = "An event that SNS cannot put into the queue must become a dead letter."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter.message_retention_seconds == 14 * 24 * 3600
    error_message = "Dead letters must be kept for two weeks."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.keep, aws_sqs_queue.dead_letter] :
      queue.kms_master_key_id == var.messaging_key_arn && [for statement in jsondecode(queue.policy).Statement : "${statement.Effect} ${statement.Sid}"] == ["Deny TlsOnly", "Allow FromTopic", "Deny OnlyFromTopic"]
    ])
    error_message = "Both queues must be encrypted, and accept messages only from the topic, with TLS."
  }
}

run "long_names_are_refused" {
  command = plan

  variables {
    name = "herald-a-stage-with-a-longer-name"
  }

  expect_failures = [var.name]
}

run "retention_is_checked" {
  command = plan

  variables {
    retention_days = 0
  }

  expect_failures = [var.retention_days]
}
