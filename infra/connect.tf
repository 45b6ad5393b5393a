# $connect: remembers the connection.

data "aws_iam_policy_document" "connect" {
  statement {
    sid       = "Remember"
    actions   = ["dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }

  statement {
    sid       = "UseEncryptedTable"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.storage_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.dynamodb]
    }
  }
}

module "connect" {
  source = "./modules/function"

  name        = "${local.name}-connect"
  description = "Remembers a connection"
  handler     = "app.connect"
  memory_size = var.sizes.connect.memory_size
  timeout     = var.sizes.connect.timeout
  policy      = data.aws_iam_policy_document.connect.json

  environment = merge(local.common_environment, {
    HERALD_CONNECTIONS_TABLE = module.storage.connections_table_name
  }, var.extra_environment)

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.websocket.execution_arn}/${var.stage}/$connect"
    }
  }

  environment_key_arn = module.keys.environment_key_arn
  log_retention_days  = var.log_retention_days
  logs_key_arn        = module.keys.logs_key_arn
  package_path        = var.package_path
  runtime             = var.lambda_runtime
  tracing             = var.tracing
}
