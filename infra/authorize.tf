# Decides who may connect: clients with a valid token or API key, from an allowed origin.

module "authorize" {
  source = "./modules/function"

  name        = "authorize"
  description = "Decides who may open a WebSocket"
  handler     = "app.authorize"
  shared      = local.function
  size        = var.sizes.authorize

  policy  = data.aws_iam_policy_document.authorize.json
  decrypt = { storage = ["dynamodb", "secretsmanager"] }

  environment = merge(local.token_environment, {
    HERALD_ALLOWED_ORIGINS = join(",", var.allowed_origins)
    HERALD_API_KEYS_TABLE  = module.storage.api_keys_table_name
  })

  invokers = {
    websocket = {
      principal  = "apigateway.amazonaws.com"
      source_arn = module.websocket.authorizer_arn
    }
  }
}

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
}
