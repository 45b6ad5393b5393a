# Receives the provider's webhook: records the result in Postgres, then publishes it.

data "aws_iam_policy_document" "callback" {
  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.database_secret_arn, module.storage.webhook_secret_arn]
  }

  statement {
    sid       = "DecryptSecrets"
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

module "callback" {
  source = "./modules/function"

  name        = "${local.name}-callback"
  description = "Records a generation's result and publishes it"
  handler     = "app.callback"
  memory_size = var.sizes.callback.memory_size
  timeout     = var.sizes.callback.timeout
  policy      = data.aws_iam_policy_document.callback.json

  environment = merge(local.common_environment, {
    HERALD_DATABASE_SECRET_ARN = module.storage.database_secret_arn
    HERALD_ERROR_TOPIC_ARN     = module.messaging.error_topic_arn
    HERALD_TOPIC_ARN           = module.messaging.topic_arn
    HERALD_WEBHOOK_SECRET_ARN  = module.storage.webhook_secret_arn
  }, var.extra_environment)

  invokers = {
    callback-api = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.callback_api.execution_arn}/*/POST${local.callback_path}"
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
