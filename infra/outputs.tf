output "alarm_runbooks" {
  description = "Headings of docs/operations.md that the alarms point to."
  value       = module.alarms.runbooks
}

output "api_keys_table" {
  description = "Table of API keys."
  value       = module.storage.api_keys_table_name
}

output "callback_api_id" {
  description = "Id of the HTTP API that receives webhooks."
  value       = module.callback_api.api_id
}

output "callback_url" {
  description = "URL to give to the generation provider."
  value       = "${local.callback_endpoint}${local.callback_path}"
}

output "connections_table" {
  description = "Table of open connections."
  value       = module.storage.connections_table_name
}

output "database_secret_arn" {
  description = "Secret that holds the PostgreSQL DSN."
  value       = module.storage.database_secret_arn
}

output "dlq_url" {
  description = "Dead-letter queue of events that deliver failed on."
  value       = module.messaging.dead_letter_queue_url
}

output "error_topic_arn" {
  description = "Topic for operators."
  value       = module.messaging.error_topic_arn
}

output "function_names" {
  description = "Lambda function of each handler."
  value = {
    authorize  = module.authorize.function_name
    callback   = module.callback.function_name
    connect    = module.connect.function_name
    deliver    = module.deliver.function_name
    disconnect = module.disconnect.function_name
    message    = module.message.function_name
    relay      = module.relay.function_name
  }
}

output "inbox_table" {
  description = "Table of events to replay."
  value       = module.storage.inbox_table_name
}

output "jwt_secret_arn" {
  description = "Secret that verifies tokens."
  value       = module.storage.jwt_secret_arn
}

output "management_endpoint" {
  description = "Endpoint through which pages are posted to."
  value       = local.management_endpoint
}

output "queue_url" {
  description = "Queue that deliver consumes."
  value       = module.messaging.queue_url
}

output "subscription_dlq_url" {
  description = "Dead-letter queue of events that SNS could not put into the queue."
  value       = module.messaging.subscription_dead_letter_queue_url
}

output "topic_arn" {
  description = "Topic of completed generations."
  value       = module.messaging.topic_arn
}

output "webhook_secret_arn" {
  description = "Secret that verifies webhooks."
  value       = module.storage.webhook_secret_arn
}

output "websocket_api_id" {
  description = "Id of the WebSocket API."
  value       = module.websocket.api_id
}

output "websocket_url" {
  description = "URL to which pages connect."
  value       = replace(local.management_endpoint, "/^http/", "ws")
}
