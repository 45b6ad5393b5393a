output "environment_key_arn" {
  description = "Key for the functions' environment variables."
  value       = aws_kms_key.this["environment"].arn
}

output "logs_key_arn" {
  description = "Key for log groups."
  value       = aws_kms_key.this["logs"].arn
}

output "messaging_key_arn" {
  description = "Key for topics and queues."
  value       = aws_kms_key.this["messaging"].arn
}

output "storage_key_arn" {
  description = "Key for tables and secrets."
  value       = aws_kms_key.this["storage"].arn
}
