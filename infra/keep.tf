# Copies the outputs of finished generations into the bucket. It runs outside the VPC: it loads files from the internet.

module "keep" {
  source = "./modules/function"
  count  = var.keep_outputs ? 1 : 0

  name        = "keep"
  description = "Copies the outputs of finished generations"
  handler     = "app.keep"
  shared      = local.function
  size        = var.sizes.keep

  policy  = data.aws_iam_policy_document.keep[0].json
  decrypt = { messaging = ["sqs"], storage = ["dynamodb", "secretsmanager"] }
  encrypt = { outputs = ["s3"] }

  environment = {
    HERALD_FETCH_HOSTS           = ""
    HERALD_KEEP_QUEUE_URL        = module.outputs[0].queue_url
    HERALD_MAX_RECEIVE_COUNT     = var.keep_max_receive_count
    HERALD_OUTPUTS_BUCKET        = module.outputs[0].bucket_name
    HERALD_OUTPUTS_SECRET_ARN    = module.outputs[0].secret_arn
    HERALD_OUTPUTS_TABLE         = module.outputs[0].table_name
    HERALD_OUTPUT_MAX_MEGABYTES  = var.output_max_megabytes
    HERALD_OUTPUT_RETENTION_DAYS = var.output_retention_days
  }

  queues = {
    events = {
      arn                 = module.outputs[0].queue_arn
      batch_size          = 1
      maximum_concurrency = var.keep_maximum_concurrency
    }
  }
}

data "aws_iam_policy_document" "keep" {
  count = var.keep_outputs ? 1 : 0

  statement {
    sid       = "Receive"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.outputs[0].queue_arn]
  }

  statement {
    sid       = "NoteCopies"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [module.outputs[0].table_arn]
  }

  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.outputs[0].secret_arn]
  }

  statement {
    sid       = "WriteCopies"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${module.outputs[0].bucket_arn}/*"]
  }
}
