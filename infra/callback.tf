# Receives the providers' webhooks: records each result in PostgreSQL, then publishes it.

module "callback" {
  source = "./modules/function"

  name        = "callback"
  description = "Records the result of a generation and publishes it"
  handler     = "app.callback"
  shared      = local.function
  size        = var.sizes.callback

  policy  = data.aws_iam_policy_document.callback.json
  decrypt = { storage = local.linking_services }
  encrypt = { messaging = ["sns"] }

  environment = merge(local.linking_environment, {
    HERALD_DATABASE_SCHEMA      = var.database_schema
    HERALD_DATABASE_SECRET_ARN  = module.storage.secrets.database
    HERALD_ERROR_TOPIC_ARN      = module.messaging.error_topic_arn
    HERALD_PROVIDERS_SECRET_ARN = module.storage.secrets.providers
    HERALD_RECONCILE_FUNCTION   = local.reconcile_name
    HERALD_TOPIC_ARN            = module.messaging.topic_arn
    HERALD_WEBHOOK_SECRET_ARN   = module.storage.secrets.webhook
  })

  invokers = merge(
    {
      callbacks = {
        principal  = "apigateway.amazonaws.com"
        source_arn = "${module.callback_api.execution_arn}/*/POST${local.callback_path}/*"
      }
    },
    {
      for arn in var.sagemaker_topic_arns :
      "sagemaker-${substr(sha256(arn), 0, 12)}" => { principal = "sns.amazonaws.com", source_arn = arn }
    },
  )

  # Needed if PostgreSQL can be reached only from inside a VPC.
  vpc_subnet_ids         = var.vpc_subnet_ids
  vpc_security_group_ids = var.vpc_security_group_ids
}

data "aws_iam_policy_document" "callback" {
  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.database_secret_arn, module.storage.providers_secret_arn, module.storage.webhook_secret_arn]
  }

  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [module.messaging.error_topic_arn, module.messaging.topic_arn]
  }

  statement {
    sid       = "ResolveThinEvents"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.reconcile_arn]
  }

  dynamic "statement" {
    for_each = local.linking_statements

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.resource]
    }
  }
}
