# Every minute: asks providers about generations whose webhook did not come, and ends those past their
# deadline. callback and message also invoke it, for thin events and cancellations.

module "reconcile" {
  source = "./modules/function"

  name        = "reconcile"
  description = "Looks generations up at their providers, and ends those past their deadline"
  handler     = "app.reconcile"
  shared      = local.function
  size        = var.sizes.reconcile

  policy  = data.aws_iam_policy_document.reconcile.json
  decrypt = { storage = local.linking_services }
  encrypt = merge({ messaging = ["sns"] }, var.keep_outputs ? { outputs = ["s3"] } : {})

  environment = merge(local.linking_environment, {
    HERALD_DATABASE_SCHEMA             = var.database_schema
    HERALD_DATABASE_SECRET_ARN         = module.storage.secrets.database
    HERALD_ERROR_TOPIC_ARN             = module.messaging.error_topic_arn
    HERALD_GENERATION_DEADLINE_SECONDS = var.generation_deadline_seconds
    HERALD_OUTPUTS_BUCKET              = try(module.outputs[0].bucket_name, "")
    HERALD_OUTPUT_MAX_MEGABYTES        = var.output_max_megabytes
    HERALD_PROVIDERS_SECRET_ARN        = module.storage.secrets.providers
    HERALD_PROVIDER_APIS               = jsonencode(local.provider_apis)
    HERALD_TOPIC_ARN                   = module.messaging.topic_arn
  })

  invokers = {
    schedule = {
      principal  = "events.amazonaws.com"
      source_arn = module.reconcile_schedule.rule_arn
    }
  }

  # Needed if PostgreSQL can be reached only from inside a VPC. To reach the providers, the subnets then need NAT.
  vpc_subnet_ids         = var.vpc_subnet_ids
  vpc_security_group_ids = var.vpc_security_group_ids
}

data "aws_iam_policy_document" "reconcile" {
  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.storage.database_secret_arn, module.storage.providers_secret_arn]
  }

  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [module.messaging.error_topic_arn, module.messaging.topic_arn]
  }

  # Files that have no URL for a browser go to the bucket.
  dynamic "statement" {
    for_each = merge(local.linking_statements, local.saving_statements)

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.resource]
    }
  }
}

locals {
  saving_statements = var.keep_outputs ? {
    NoteCopies  = { actions = ["dynamodb:UpdateItem"], resource = module.outputs[0].table_arn }
    WriteCopies = { actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"], resource = "${module.outputs[0].bucket_arn}/*" }
  } : {}
}
