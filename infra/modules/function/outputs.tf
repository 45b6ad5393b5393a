output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "invoke_arn" {
  description = "ARN through which API Gateway invokes the function."
  value       = aws_lambda_function.this.invoke_arn
}

output "policy" {
  description = "IAM policy document (JSON) with all permissions for the function's task, including the use of keys."
  value       = data.aws_iam_policy_document.rights.json
}
