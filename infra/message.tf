# $default: answers a page's frames: hello with a replay, ping, history, a fresh token.

data "aws_iam_policy_document" "message" {
  statement {
    sid       = "KeepConnection"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }

  statement {
    sid       = "Replay"
    actions   = ["dynamodb:Query"]
    resources = [module.storage.inbox_table_arn]
  }

  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.jwt_secret_arn]
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

  statement {
    sid     = "PostAndClose"
    actions = ["execute-api:ManageConnections"]
    resources = [
      "${module.websocket.execution_arn}/${var.stage}/DELETE/@connections/*",
      "${module.websocket.execution_arn}/${var.stage}/POST/@connections/*",
    ]
  }
}

module "message" {
  source = "./modules/function"

  name        = "${local.name}-message"
  description = "Answers a page's frames"
  handler     = "app.message"
  memory_size = var.sizes.message.memory_size
  timeout     = var.sizes.message.timeout
  policy      = data.aws_iam_policy_document.message.json

  environment = merge(local.common_environment, local.token_environment, {
    HERALD_CONNECTIONS_TABLE    = module.storage.connections_table_name
    HERALD_INBOX_RETENTION_DAYS = var.inbox_retention_days
    HERALD_INBOX_TABLE          = module.storage.inbox_table_name
    HERALD_MANAGEMENT_ENDPOINT  = local.management_endpoint
  }, var.extra_environment)

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.websocket.execution_arn}/${var.stage}/$default"
    }
  }

  environment_key_arn = module.keys.environment_key_arn
  log_retention_days  = var.log_retention_days
  logs_key_arn        = module.keys.logs_key_arn
  package_path        = var.package_path
  runtime             = var.lambda_runtime
  tracing             = var.tracing
}
