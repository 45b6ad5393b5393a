# $connect: stores the connection, and closes the user's oldest connection if the user has too many.

module "connect" {
  source = "./modules/function"

  name        = "connect"
  description = "Stores a connection"
  handler     = "app.connect"
  shared      = local.function
  size        = var.sizes.connect

  policy  = data.aws_iam_policy_document.connect.json
  decrypt = { storage = ["dynamodb"] }

  environment = {
    HERALD_CONNECTIONS_TABLE        = module.storage.connections_table_name
    HERALD_MANAGEMENT_ENDPOINT      = local.management_endpoint
    HERALD_MAX_CONNECTIONS_PER_USER = var.max_connections_per_user
  }

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.websocket.execution_arn}/${var.stage}/$connect"
    }
  }
}

data "aws_iam_policy_document" "connect" {
  statement {
    sid       = "StoreConnection"
    actions   = ["dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }

  statement {
    sid       = "CloseOldest"
    actions   = ["execute-api:ManageConnections"]
    resources = local.connection_arns
  }
}
