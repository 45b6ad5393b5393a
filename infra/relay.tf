# Every minute: publishes outbox rows that callback could not publish, and deletes old ones. Before the last event of a
# stream is deleted, the stream's head is added to the inbox.

module "relay" {
  source = "./modules/function"

  name        = "relay"
  description = "Publishes events that callback could not publish"
  handler     = "app.relay"
  shared      = local.function
  size        = var.sizes.relay

  policy  = data.aws_iam_policy_document.relay.json
  decrypt = { storage = ["dynamodb", "secretsmanager"] }
  encrypt = { messaging = ["sns"] }

  environment = merge(local.linking_environment, {
    HERALD_DATABASE_SCHEMA       = var.database_schema
    HERALD_DATABASE_SECRET_ARN   = module.storage.secrets.database
    HERALD_ERROR_TOPIC_ARN       = module.messaging.error_topic_arn
    HERALD_INBOX_TABLE           = module.storage.inbox_table_name
    HERALD_OUTBOX_RETENTION_DAYS = var.outbox_retention_days
    HERALD_TOPIC_ARN             = module.messaging.topic_arn
  })

  invokers = {
    schedule = {
      principal  = "events.amazonaws.com"
      source_arn = module.relay_schedule.rule_arn
    }
  }

  # Needed if PostgreSQL can be reached only from inside a VPC.
  vpc_subnet_ids         = var.vpc_subnet_ids
  vpc_security_group_ids = var.vpc_security_group_ids
}

data "aws_iam_policy_document" "relay" {
  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.database_secret_arn]
  }

  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [module.messaging.error_topic_arn, module.messaging.topic_arn]
  }

  statement {
    sid       = "KeepHeads"
    actions   = ["dynamodb:BatchWriteItem"]
    resources = [module.storage.inbox_table_arn]
  }

  dynamic "statement" {
    for_each = local.linking_statements

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.resource]
    }
  }
}
