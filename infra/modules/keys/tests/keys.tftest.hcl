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

variables {
  name               = "herald-test"
  topic_name         = "generation-complete"
  log_group_prefixes = ["/aws/lambda/herald-test-", "/aws/vendedlogs/herald-test-"]
}

run "keys" {
  command = plan

  assert {
    condition     = toset(keys(aws_kms_key.this)) == toset(["logs", "messaging", "storage"])
    error_message = "There must be one key per purpose: logs, messaging, storage."
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "Every key must rotate."
  }

  assert {
    condition     = aws_kms_alias.this["messaging"].name == "alias/herald-test-messaging"
    error_message = "Aliases must be alias/<name>-<purpose>."
  }

  assert {
    condition = {
      for purpose, key in aws_kms_key.this :
      purpose => [for statement in jsondecode(key.policy).Statement : statement.Principal]
      } == {
      logs = [{ AWS = "arn:aws:iam::123456789012:root" }, { Service = "logs.eu-central-1.amazonaws.com" }]
      messaging = [
        { AWS = "arn:aws:iam::123456789012:root" },
        { Service = "sns.amazonaws.com" },
        { Service = "cloudwatch.amazonaws.com" },
      ]
      storage = [{ AWS = "arn:aws:iam::123456789012:root" }]
    }
    error_message = "A key policy allows the wrong principals."
  }

  assert {
    condition = alltrue(flatten([
      for key in aws_kms_key.this : [
        for statement in jsondecode(key.policy).Statement :
        can(statement.Condition) && statement.Action != "kms:*"
        if can(statement.Principal.Service)
      ]
    ]))
    error_message = "A service may use a key only under a condition, and must not manage it."
  }

  assert {
    condition = jsondecode(aws_kms_key.this["messaging"].policy).Statement[1] == {
      Sid       = "TopicToQueues"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = ["kms:GenerateDataKey*", "kms:Decrypt"]
      Resource  = "*"
      Condition = {
        ArnEquals = { "aws:SourceArn" = "arn:aws:sns:eu-central-1:123456789012:generation-complete" }
      }
    }
    error_message = "SNS needs GenerateDataKey* and Decrypt, for our topic only."
  }

  assert {
    condition = jsondecode(aws_kms_key.this["messaging"].policy).Statement[2] == {
      Sid       = "AlarmsToErrorTopic"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = ["kms:GenerateDataKey*", "kms:Decrypt"]
      Resource  = "*"
      Condition = {
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:herald-test-*" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }
    }
    error_message = "CloudWatch needs GenerateDataKey* and Decrypt, for our alarms only."
  }

  assert {
    condition = jsondecode(aws_kms_key.this["logs"].policy).Statement[1] == {
      Sid       = "LogGroups"
      Effect    = "Allow"
      Principal = { Service = "logs.eu-central-1.amazonaws.com" }
      Action    = ["kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Encrypt*", "kms:Describe*", "kms:Decrypt*"]
      Resource  = "*"
      Condition = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = [
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/herald-test-*",
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/herald-test-*",
          ]
        }
      }
    }
    error_message = "CloudWatch Logs may use the key in the encryption context of our log groups only."
  }
}

run "log_group_prefixes_are_checked" {
  command = plan

  variables {
    log_group_prefixes = []
  }

  expect_failures = [var.log_group_prefixes]
}

run "a_single_key" {
  variables {
    single_key = true
  }

  override_resource {
    target = aws_kms_key.this
    values = { arn = "arn:aws:kms:eu-central-1:123456789012:key/single", key_id = "single" }
  }

  override_resource {
    target = aws_kms_alias.this
  }

  assert {
    condition     = keys(aws_kms_key.this) == ["storage"] && length(distinct([output.logs_key_arn, output.messaging_key_arn, output.storage_key_arn])) == 1
    error_message = "One key must serve all purposes; it is the storage key, so that a change of the profile keeps the data readable."
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this["storage"].policy).Statement : statement.Sid] == [
      "AccountThroughIam", "TopicToQueues", "AlarmsToErrorTopic", "LogGroups",
    ]
    error_message = "The single key needs the statements of all purposes."
  }
}
