output "dead_letter_queue_name" {
  description = "Name of the queue's dead-letter queue; known before the queue exists."
  value       = local.dead_letter_name
}

output "dead_letter_queue_url" {
  description = "URL of the queue's dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "error_topic_arn" {
  description = "ARN of the topic on which operators are notified."
  value       = aws_sns_topic.error_notifications.arn
}

output "progress_queue_arn" {
  description = "ARN of the queue from which `deliver` receives progress events."
  value       = aws_sqs_queue.progress.arn
}

output "progress_queue_url" {
  description = "URL of the queue from which `deliver` receives progress events."
  value       = aws_sqs_queue.progress.url
}

output "queue_arn" {
  description = "ARN of the queue from which `deliver` receives all other events."
  value       = aws_sqs_queue.generation_complete.arn
}

output "queue_name" {
  description = "Name of the queue from which `deliver` receives events; known before the queue exists."
  value       = local.queue_name
}

output "queue_url" {
  description = "URL of the queue from which `deliver` receives events."
  value       = aws_sqs_queue.generation_complete.url
}

output "subscription_dead_letter_queue_name" {
  description = "Name of the subscription's dead-letter queue; known before the queue exists."
  value       = local.subscription_dead_letter_name
}

output "subscription_dead_letter_queue_url" {
  description = "URL of the subscription's dead-letter queue."
  value       = aws_sqs_queue.subscription_dead_letter.url
}

output "topic_arn" {
  description = "ARN of the topic to which events are published."
  value       = aws_sns_topic.generation_complete.arn
}
