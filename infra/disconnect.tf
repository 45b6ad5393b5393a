# $disconnect: deletes the connection.

module "disconnect" {
  source = "./modules/function"

  name        = "disconnect"
  description = "Deletes a connection"
  handler     = "app.disconnect"
  shared      = local.function
  size        = var.sizes.disconnect

  policy  = data.aws_iam_policy_document.disconnect.json
  decrypt = { storage = ["dynamodb"] }

  environment = {
    HERALD_CONNECTIONS_TABLE = module.storage.connections_table_name
  }

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.websocket.execution_arn}/${var.stage}/$disconnect"
    }
  }
}

data "aws_iam_policy_document" "disconnect" {
  statement {
    sid       = "DeleteConnection"
    actions   = ["dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }
}
