output "logs_key_arn" {
  description = "ARN of the key that encrypts log groups."
  value       = aws_kms_key.this[var.single_key ? "storage" : "logs"].arn
}

output "messaging_key_arn" {
  description = "ARN of the key that encrypts topics and queues."
  value       = aws_kms_key.this[var.single_key ? "storage" : "messaging"].arn
}

output "storage_key_arn" {
  description = "ARN of the key that encrypts tables and secrets."
  value       = aws_kms_key.this["storage"].arn
}
