output "environment_key_arn" {
  description = "ARN of the key that encrypts the functions' environment variables."
  value       = aws_kms_key.this["environment"].arn
}

output "logs_key_arn" {
  description = "ARN of the key that encrypts log groups."
  value       = aws_kms_key.this["logs"].arn
}

output "messaging_key_arn" {
  description = "ARN of the key that encrypts topics and queues."
  value       = aws_kms_key.this["messaging"].arn
}

output "storage_key_arn" {
  description = "ARN of the key that encrypts tables and secrets."
  value       = aws_kms_key.this["storage"].arn
}
