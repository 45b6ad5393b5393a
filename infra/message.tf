# $default: answers the frames of clients, which are hello (with a replay), ping, history, auth and cancel.

module "message" {
  source = "./modules/function"

  name        = "message"
  description = "Answers the frames of clients"
  handler     = "app.message"
  shared      = local.function
  size        = var.sizes.message

  policy  = data.aws_iam_policy_document.message.json
  decrypt = { storage = ["dynamodb", "secretsmanager"] }

  environment = merge(local.token_environment, {
    HERALD_CONNECTIONS_TABLE    = module.storage.connections_table_name
    HERALD_INBOX_RETENTION_DAYS = var.inbox_retention_days
    HERALD_INBOX_TABLE          = module.storage.inbox_table_name
    HERALD_KEEPALIVE_MS         = module.websocket.keepalive_ms
    HERALD_MANAGEMENT_ENDPOINT  = local.management_endpoint
    HERALD_RECONCILE_FUNCTION   = local.reconcile_name
  })

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.websocket.execution_arn}/${var.stage}/$default"
    }
  }
}

data "aws_iam_policy_document" "message" {
  statement {
    sid       = "UpdateConnection"
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
    sid       = "PostAndClose"
    actions   = ["execute-api:ManageConnections"]
    resources = local.connection_arns
  }

  statement {
    sid       = "Cancel"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.reconcile_arn]
  }
}
