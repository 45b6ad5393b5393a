output "role_arn" {
  description = "ARN of the role with which API Gateway writes access logs in this account and Region."
  value       = aws_iam_role.logs.arn
}
