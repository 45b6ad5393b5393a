# Kept outputs: their settings, their resources, and what other functions need for them. The functions are in keep.tf and
# link.tf.

variable "keep_outputs" {
  type        = bool
  description = "Copy the outputs of generations into a bucket, and give pages stable links to them."
  default     = false
}

variable "output_retention_days" {
  type        = number
  description = "Number of days for which copies and links of outputs are kept; at least inbox_retention_days."
  default     = 30

  validation {
    condition     = (!var.keep_outputs || var.output_retention_days >= var.inbox_retention_days) && var.output_retention_days >= 1 && var.output_retention_days <= 3650 && floor(var.output_retention_days) == var.output_retention_days
    error_message = "Use a whole number of days, at most 3650 and at least inbox_retention_days: otherwise, replayed events would have dead links."
  }
}

variable "output_max_megabytes" {
  type        = number
  description = "Largest output that is copied, in megabytes."
  default     = 1000

  validation {
    condition     = var.output_max_megabytes >= 1 && var.output_max_megabytes <= 50000 && floor(var.output_max_megabytes) == var.output_max_megabytes
    error_message = "Use a whole number from 1 to 50000."
  }
}

variable "keep_maximum_concurrency" {
  type        = number
  description = "Maximum number of keep invocations at a time; further events wait in its queue."
  default     = 10

  validation {
    condition     = var.keep_maximum_concurrency >= 2 && var.keep_maximum_concurrency <= 1000
    error_message = "Lambda accepts 2 to 1000 for a queue."
  }
}

variable "keep_max_receive_count" {
  type        = number
  description = "Number of attempts to copy the outputs of a generation before its event becomes a dead letter."
  default     = 5

  validation {
    condition     = var.keep_max_receive_count >= 2 && var.keep_max_receive_count <= 20 && floor(var.keep_max_receive_count) == var.keep_max_receive_count
    error_message = "Use a whole number from 2 (one retry) to 20."
  }
}

variable "link_rate_limit" {
  type        = number
  description = "Steady rate of requests for links of outputs per second."
  default     = 500
}

variable "link_burst_limit" {
  type        = number
  description = "Number of requests for links by which a burst may exceed the steady rate."
  default     = 1000
}

module "outputs" {
  source = "./modules/outputs"
  count  = var.keep_outputs ? 1 : 0

  name                 = local.name
  queue_prefix         = local.topic_name
  topic_arn            = module.messaging.topic_arn
  messaging_key_arn    = module.keys.messaging_key_arn
  storage_key_arn      = module.keys.storage_key_arn
  consumer_timeout     = var.sizes.keep.timeout
  max_receive_count    = var.keep_max_receive_count
  redrive_principals   = var.redrive_principals
  retention_days       = var.output_retention_days
  deletion_protection  = var.deletion_protection
  key_deletion_days    = var.key_deletion_days
  secret_recovery_days = var.secret_recovery_days
}

locals {
  # Environment variables of the functions that record results; empty values mean that outputs are not kept. Only the
  # local stack sets HERALD_FETCH_HOSTS.
  linking_environment = {
    HERALD_FETCH_HOSTS           = ""
    HERALD_OUTPUTS_SECRET_ARN    = try(module.outputs[0].secret_arn, "")
    HERALD_OUTPUTS_TABLE         = try(module.outputs[0].table_name, "")
    HERALD_OUTPUTS_URL           = var.keep_outputs ? "${local.callback_endpoint}${local.outputs_path}" : ""
    HERALD_OUTPUT_RETENTION_DAYS = var.output_retention_days
  }

  # The rights that these functions need for it.
  linking_statements = var.keep_outputs ? {
    StoreSources   = { actions = ["dynamodb:PutItem"], resource = module.outputs[0].table_arn }
    ReadOutputsKey = { actions = ["secretsmanager:GetSecretValue"], resource = module.outputs[0].secret_arn }
  } : {}
  linking_services = var.keep_outputs ? ["dynamodb", "secretsmanager"] : ["secretsmanager"]
}
