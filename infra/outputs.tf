output "alarm_runbooks" {
  description = "Headings in docs/operations.md to which the alarms link."
  value       = module.alarms.runbooks
}

output "api_keys_table" {
  description = "Name of the table of API keys."
  value       = module.storage.api_keys_table_name
}

output "aws_region" {
  description = "Region of the stage; commands find its resources there."
  value       = var.aws_region
}

output "callback_api_id" {
  description = "Id of the HTTP API that receives webhooks."
  value       = module.callback_api.api_id
}

output "callback_url" {
  description = "URL that receives webhooks with Herald's own payload."
  value       = "${local.callback_endpoint}${local.callback_path}/generations"
}

output "callbacks_url" {
  description = "URL under which each provider has its address; `./herald callback-url` prints the address of a generation."
  value       = "${local.callback_endpoint}${local.callback_path}"
}

output "connections_table" {
  description = "Name of the table of open connections."
  value       = module.storage.connections_table_name
}

output "database_schema" {
  description = "Schema of Herald's tables in PostgreSQL."
  value       = var.database_schema
}

output "database_secret_arn" {
  description = "ARN of the secret with the PostgreSQL DSN."
  value       = module.storage.secrets.database
}

output "dlq_url" {
  description = "URL of the dead-letter queue of events that deliver could not process."
  value       = module.messaging.dead_letter_queue_url
}

output "domain_targets" {
  description = "Target of each custom domain's DNS record. A CNAME record needs only `name`; an alias record needs `name` and `hosted_zone_id`."
  value = merge(
    { for domain in module.callback_domain : var.callback_domain.name => domain.target },
    { for domain in module.websocket_domain : var.websocket_domain.name => domain.target },
  )
}

output "error_topic_arn" {
  description = "ARN of the topic on which operators are notified."
  value       = module.messaging.error_topic_arn
}

output "function_names" {
  description = "Name of each Lambda function, by handler."
  value = merge({
    authorize  = module.authorize.function_name
    callback   = module.callback.function_name
    connect    = module.connect.function_name
    deliver    = module.deliver.function_name
    disconnect = module.disconnect.function_name
    message    = module.message.function_name
    reconcile  = module.reconcile.function_name
    relay      = module.relay.function_name
    }, {
    for name in module.keep[*].function_name : "keep" => name
    }, {
    for name in module.link[*].function_name : "link" => name
  })
}

output "inbox_table" {
  description = "Name of the table of events that can be replayed."
  value       = module.storage.inbox_table_name
}

output "jwt_secret_arn" {
  description = "ARN of the secret with which tokens are verified."
  value       = module.storage.secrets.jwt
}

output "keep_dlq_url" {
  description = "URL of the dead-letter queue of events whose outputs could not be copied; empty if outputs are not kept."
  value       = try(module.outputs[0].dead_letter_queue_url, "")
}

output "keep_queue_url" {
  description = "URL of the queue from which keep receives events; empty if outputs are not kept."
  value       = try(module.outputs[0].queue_url, "")
}

output "management_endpoint" {
  description = "URL through which functions post to connections."
  value       = local.management_endpoint
}

output "outputs_bucket" {
  description = "Name of the bucket with the copies of outputs; empty if outputs are not kept."
  value       = try(module.outputs[0].bucket_name, "")
}

output "outputs_secret_arn" {
  description = "ARN of the secret with the keys of links; empty if outputs are not kept."
  value       = try(module.outputs[0].secret_arn, "")
}

output "outputs_table" {
  description = "Name of the table of outputs; empty if outputs are not kept."
  value       = try(module.outputs[0].table_name, "")
}

output "providers_secret_arn" {
  description = "ARN of the secret with the keys of generation providers."
  value       = module.storage.secrets.providers
}

output "queue_url" {
  description = "URL of the queue from which deliver receives events."
  value       = module.messaging.queue_url
}

output "subscription_dlq_url" {
  description = "URL of the dead-letter queue of events that SNS could not put into the queue."
  value       = module.messaging.subscription_dead_letter_queue_url
}

output "topic_arn" {
  description = "ARN of the topic to which events are published."
  value       = module.messaging.topic_arn
}

output "webhook_secret_arn" {
  description = "ARN of the secret that verifies webhooks with Herald's own payload."
  value       = module.storage.secrets.webhook
}

output "websocket_api_id" {
  description = "Id of the WebSocket API."
  value       = module.websocket.api_id
}

output "websocket_url" {
  description = "URL to which clients connect."
  value       = replace(local.management_endpoint, "/^http/", "ws")
}
