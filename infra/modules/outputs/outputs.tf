output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "dead_letter_queue_name" {
  description = "Name of the dead-letter queue; known before the queue exists."
  value       = local.dead_letter_name
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "key_arn" {
  description = "ARN of the key that encrypts the copies."
  value       = aws_kms_key.this.arn
}

output "queue_arn" {
  description = "ARN of the queue from which `keep` receives events."
  value       = aws_sqs_queue.keep.arn
}

output "queue_name" {
  description = "Name of the queue from which `keep` receives events; known before the queue exists."
  value       = local.queue_name
}

output "queue_url" {
  description = "URL of the queue from which `keep` receives events."
  value       = aws_sqs_queue.keep.url
}

output "secret_arn" {
  description = "ARN of the secret with the keys of links."
  value       = aws_secretsmanager_secret.this.arn
}

output "table_arn" {
  description = "ARN of the table of outputs."
  value       = aws_dynamodb_table.this.arn
}

output "table_name" {
  description = "Name of the table of outputs."
  value       = aws_dynamodb_table.this.name
}
