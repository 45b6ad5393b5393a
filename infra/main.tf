# The resources that all functions use. Each function has its own file: callback.tf, relay.tf,
# reconcile.tf, deliver.tf, authorize.tf, connect.tf, message.tf, disconnect.tf, keep.tf and link.tf.

module "keys" {
  source = "./modules/keys"

  name                 = local.name
  topic_name           = local.topic_name
  log_group_prefixes   = [local.access_log_prefix, local.function_log_prefix]
  deletion_window_days = var.key_deletion_days
  single_key           = var.lean
}

module "messaging" {
  source = "./modules/messaging"

  name               = local.name
  topic_name         = local.topic_name
  error_topic_name   = local.error_topic_name
  kms_key_arn        = module.keys.messaging_key_arn
  consumer_timeout   = var.sizes.deliver.timeout
  max_receive_count  = var.max_receive_count
  redrive_principals = var.redrive_principals
  alarm_email        = var.alarm_email
}

module "storage" {
  source = "./modules/storage"

  name                 = local.name
  kms_key_arn          = module.keys.storage_key_arn
  deletion_protection  = var.deletion_protection
  secret_recovery_days = var.secret_recovery_days
  inbox_backups        = !var.lean
  single_secret        = var.lean
}

module "websocket" {
  source = "./modules/websocket"

  name                  = local.name
  stage                 = var.stage
  authorizer_invoke_arn = module.authorize.invoke_arn
  invoke_arns = {
    connect    = module.connect.invoke_arn
    disconnect = module.disconnect.invoke_arn
    message    = module.message.invoke_arn
  }
  access_log_group_name        = "${local.access_log_prefix}websocket"
  logs_key_arn                 = module.keys.logs_key_arn
  log_retention_days           = var.log_retention_days
  throttling_rate_limit        = var.websocket_rate_limit
  throttling_burst_limit       = var.websocket_burst_limit
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
}

module "websocket_domain" {
  source = "./modules/domain"
  count  = var.websocket_domain == null ? 0 : 1

  name            = var.websocket_domain.name
  certificate_arn = var.websocket_domain.certificate_arn
  api_id          = module.websocket.api_id
  stage           = module.websocket.stage_name
}

module "callback_api" {
  source = "./modules/callback_api"

  name       = "${local.name}-callback"
  base_path  = local.callback_path
  invoke_arn = module.callback.invoke_arn
  link = var.keep_outputs ? {
    base_path              = local.outputs_path
    invoke_arn             = module.link[0].invoke_arn
    throttling_rate_limit  = var.link_rate_limit
    throttling_burst_limit = var.link_burst_limit
  } : null
  access_log_group_name        = "${local.access_log_prefix}callback"
  logs_key_arn                 = module.keys.logs_key_arn
  log_retention_days           = var.log_retention_days
  throttling_rate_limit        = var.callback_rate_limit
  throttling_burst_limit       = var.callback_burst_limit
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
}

# SageMaker's asynchronous inference reports to topics. SNS and Lambda try again if `callback` fails.
resource "aws_sns_topic_subscription" "sagemaker" {
  for_each = toset(var.sagemaker_topic_arns)

  topic_arn = each.value
  protocol  = "lambda"
  endpoint  = module.callback.arn
}

module "callback_domain" {
  source = "./modules/domain"
  count  = var.callback_domain == null ? 0 : 1

  name            = var.callback_domain.name
  certificate_arn = var.callback_domain.certificate_arn
  api_id          = module.callback_api.api_id
  stage           = module.callback_api.stage_name
}

module "relay_schedule" {
  source = "./modules/schedule"

  name                = "${local.name}-relay"
  description         = "Publishes events that callback could not publish"
  schedule_expression = "rate(1 minute)"
  function_arn        = module.relay.arn
}

module "reconcile_schedule" {
  source = "./modules/schedule"

  name                = "${local.name}-reconcile"
  description         = "Looks generations up at their providers, and ends those past their deadline"
  schedule_expression = "rate(1 minute)"
  function_arn        = module.reconcile.arn
}

module "alarms" {
  source = "./modules/alarms"

  name             = local.name
  stage            = var.stage
  region           = var.aws_region
  notify_topic_arn = module.messaging.error_topic_arn
  topics = {
    errors = local.error_topic_name
    events = local.topic_name
  }
  queues = {
    dead_letter              = module.messaging.dead_letter_queue_name
    keep                     = one(module.outputs[*].queue_name)
    keep_dead_letter         = one(module.outputs[*].dead_letter_queue_name)
    main                     = module.messaging.queue_name
    subscription_dead_letter = module.messaging.subscription_dead_letter_queue_name
  }
  functions = {
    for handler in keys(var.sizes) : handler => "${local.name}-${handler}"
    if var.keep_outputs || !contains(["keep", "link"], handler)
  }
  alarm_providers = var.alarm_providers
  callback_topics = length(var.sagemaker_topic_arns) > 0
  tables = merge({
    connections = module.storage.connections_table_name
    inbox       = module.storage.inbox_table_name
    }, {
    for name in module.outputs[*].table_name : "outputs" => name
  })
  lean          = var.lean
  callback_api  = { id = module.callback_api.api_id, stage = "$default" }
  websocket_api = { id = module.websocket.api_id, stage = var.stage }
}
