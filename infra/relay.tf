# Every minute: publishes outbox rows that the callback could not, and forgets old ones.

data "aws_iam_policy_document" "relay" {
  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.database_secret_arn]
  }

  statement {
    sid       = "DecryptSecret"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.storage_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.secretsmanager]
    }
  }

  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [module.messaging.error_topic_arn, module.messaging.topic_arn]
  }

  statement {
    sid       = "EncryptWhatIsPublished"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.keys.messaging_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.sns]
    }
  }
}

module "relay" {
  source = "./modules/function"

  name        = "${local.name}-relay"
  description = "Publishes outbox rows that were left behind"
  handler     = "app.relay"
  memory_size = var.sizes.relay.memory_size
  timeout     = var.sizes.relay.timeout
  policy      = data.aws_iam_policy_document.relay.json

  environment = merge(local.common_environment, {
    HERALD_DATABASE_SECRET_ARN   = module.storage.database_secret_arn
    HERALD_ERROR_TOPIC_ARN       = module.messaging.error_topic_arn
    HERALD_OUTBOX_RETENTION_DAYS = var.outbox_retention_days
    HERALD_TOPIC_ARN             = module.messaging.topic_arn
  }, var.extra_environment)

  invokers = {
    schedule = {
      principal  = "events.amazonaws.com"
      source_arn = module.relay_schedule.rule_arn
    }
  }

  # In the VPC of the integrator's Postgres, where that is private.
  vpc_subnet_ids         = var.vpc_subnet_ids
  vpc_security_group_ids = var.vpc_security_group_ids

  environment_key_arn = module.keys.environment_key_arn
  log_retention_days  = var.log_retention_days
  logs_key_arn        = module.keys.logs_key_arn
  package_path        = var.package_path
  runtime             = var.lambda_runtime
  tracing             = var.tracing
}
