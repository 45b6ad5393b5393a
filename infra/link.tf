# Answers the stable links of outputs with a redirect to the copy, or to the provider.

module "link" {
  source = "./modules/function"
  count  = var.keep_outputs ? 1 : 0

  name        = "link"
  description = "Redirects links of outputs to the files"
  handler     = "app.link"
  shared      = local.function
  size        = var.sizes.link

  policy  = data.aws_iam_policy_document.link[0].json
  decrypt = { outputs = ["s3"], storage = ["dynamodb", "secretsmanager"] }

  environment = {
    HERALD_FETCH_HOSTS           = ""
    HERALD_OUTPUTS_BUCKET        = module.outputs[0].bucket_name
    HERALD_OUTPUTS_SECRET_ARN    = module.outputs[0].secret_arn
    HERALD_OUTPUTS_TABLE         = module.outputs[0].table_name
    HERALD_OUTPUT_RETENTION_DAYS = var.output_retention_days
  }

  invokers = {
    links = {
      principal  = "apigateway.amazonaws.com"
      source_arn = "${module.callback_api.execution_arn}/*/GET${local.outputs_path}/*"
    }
  }
}

data "aws_iam_policy_document" "link" {
  count = var.keep_outputs ? 1 : 0

  statement {
    sid       = "FindOutput"
    actions   = ["dynamodb:GetItem"]
    resources = [module.outputs[0].table_arn]
  }

  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.outputs[0].secret_arn]
  }

  # Presigned URLs have the rights of this role.
  statement {
    sid       = "ReadCopies"
    actions   = ["s3:GetObject"]
    resources = ["${module.outputs[0].bucket_arn}/*"]
  }
}
