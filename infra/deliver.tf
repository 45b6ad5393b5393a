# Takes events from the queue, stores them in the inbox and posts them to their owner's open pages.

data "aws_iam_policy_document" "deliver" {
  statement {
    sid       = "Receive"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.messaging.queue_arn]
  }

  statement {
    sid       = "DecryptMessages"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.messaging_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.sqs]
    }
  }

  statement {
    sid       = "Store"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [module.storage.inbox_table_arn]
  }

  statement {
    sid       = "FindConnections"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }

  statement {
    sid       = "UseEncryptedTables"
    actions   = ["kms:Decrypt"]
    resources = [module.keys.storage_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.via.dynamodb]
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

module "deliver" {
  source = "./modules/function"

  name        = "${local.name}-deliver"
  description = "Stores events and posts them to open pages"
  handler     = "app.deliver"
  memory_size = var.sizes.deliver.memory_size
  timeout     = var.sizes.deliver.timeout
  policy      = data.aws_iam_policy_document.deliver.json

  environment = merge(local.common_environment, {
    HERALD_CONNECTIONS_TABLE    = module.storage.connections_table_name
    HERALD_INBOX_RETENTION_DAYS = var.inbox_retention_days
    HERALD_INBOX_TABLE          = module.storage.inbox_table_name
    HERALD_MANAGEMENT_ENDPOINT  = local.management_endpoint
    HERALD_MAX_RECEIVE_COUNT    = var.max_receive_count
    HERALD_POSTS_PER_SECOND     = var.posts_per_second
  }, var.extra_environment)

  queue = {
    arn                 = module.messaging.queue_arn
    batch_size          = var.deliver_batch_size
    maximum_concurrency = var.deliver_maximum_concurrency
  }

  environment_key_arn = module.keys.environment_key_arn
  log_retention_days  = var.log_retention_days
  logs_key_arn        = module.keys.logs_key_arn
  package_path        = var.package_path
  runtime             = var.lambda_runtime
  tracing             = var.tracing
}
