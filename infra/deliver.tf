# Takes events from the queues, stores them in the inbox and posts them to their owner's connections.

module "deliver" {
  source = "./modules/function"

  name        = "deliver"
  description = "Stores events and posts them to connected clients"
  handler     = "app.deliver"
  shared      = local.function
  size        = var.sizes.deliver

  policy  = data.aws_iam_policy_document.deliver.json
  decrypt = { messaging = ["sqs"], storage = ["dynamodb"] }

  environment = {
    HERALD_CONNECTIONS_TABLE    = module.storage.connections_table_name
    HERALD_INBOX_RETENTION_DAYS = var.inbox_retention_days
    HERALD_INBOX_TABLE          = module.storage.inbox_table_name
    HERALD_MANAGEMENT_ENDPOINT  = local.management_endpoint
    HERALD_MAX_RECEIVE_COUNT    = var.max_receive_count
    HERALD_POSTS_PER_SECOND     = var.posts_per_second
  }

  queues = {
    events = {
      arn                 = module.messaging.queue_arn
      batch_size          = var.deliver_batch_size
      maximum_concurrency = var.deliver_maximum_concurrency
    }
    # Progress can wait: batches take a fraction of the requests (docs/adr/0020).
    progress = {
      arn                 = module.messaging.progress_queue_arn
      batch_size          = var.deliver_batch_size
      maximum_concurrency = local.progress_concurrency
      batching_seconds    = 1
    }
  }
}

data "aws_iam_policy_document" "deliver" {
  statement {
    sid       = "Receive"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.messaging.progress_queue_arn, module.messaging.queue_arn]
  }

  statement {
    sid       = "StoreEvents"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [module.storage.inbox_table_arn]
  }

  statement {
    sid       = "FindConnections"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
    resources = [module.storage.connections_table_arn]
  }

  statement {
    sid       = "PostAndClose"
    actions   = ["execute-api:ManageConnections"]
    resources = local.connection_arns
  }
}
