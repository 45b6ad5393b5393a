output "dead_letter_queue_name" {
  description = "Name of the queue's dead-letter queue; known before the queue is made."
  value       = local.dead_letter_name
}

output "dead_letter_queue_url" {
  description = "URL of the queue's dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "error_topic_arn" {
  description = "ARN of the topic for operators."
  value       = aws_sns_topic.error_notifications.arn
}

output "queue_arn" {
  description = "ARN of the queue that `deliver` consumes."
  value       = aws_sqs_queue.generation_complete.arn
}

output "queue_name" {
  description = "Name of the queue that `deliver` consumes; known before the queue is made."
  value       = local.queue_name
}

output "queue_url" {
  description = "URL of the queue that `deliver` consumes."
  value       = aws_sqs_queue.generation_complete.url
}

output "subscription_dead_letter_queue_name" {
  description = "Name of the subscription's dead-letter queue; known before the queue is made."
  value       = local.undeliverable_name
}

output "subscription_dead_letter_queue_url" {
  description = "URL of the subscription's dead-letter queue."
  value       = aws_sqs_queue.undeliverable.url
}

output "topic_arn" {
  description = "ARN of the topic of completed generations."
  value       = aws_sns_topic.generation_complete.arn
}
