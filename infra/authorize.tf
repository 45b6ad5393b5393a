# Decides who connects: a JWT or an API key, from an allowed origin.

data "aws_iam_policy_document" "authorize" {
  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.jwt_secret_arn]
  }

  statement {
    sid       = "FindApiKey"
    actions   = ["dynamodb:GetItem"]
    resources = [module.storage.api_keys_table_arn]
  }

  statement {
    sid       = "UseEncryptedStorage"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.storage_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.dynamodb, local.via.secretsmanager]
    }
  }
}

module "authorize" {
  source = "./modules/function"

  name        = "${local.name}-authorize"
  description = "Decides who may open a WebSocket"
  handler     = "app.authorize"
  memory_size = var.sizes.authorize.memory_size
  timeout     = var.sizes.authorize.timeout
  policy      = data.aws_iam_policy_document.authorize.json

  environment = merge(local.common_environment, local.token_environment, {
    HERALD_ALLOWED_ORIGINS = join(",", var.allowed_origins)
    HERALD_API_KEYS_TABLE  = module.storage.api_keys_table_name
  }, var.extra_environment)

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = module.websocket.authorizer_arn
    }
  }

  environment_key_arn = module.keys.environment_key_arn
  log_retention_days  = var.log_retention_days
  logs_key_arn        = module.keys.logs_key_arn
  package_path        = var.package_path
  runtime             = var.lambda_runtime
  tracing             = var.tracing
}
