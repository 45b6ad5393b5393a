output "rule_arn" {
  description = "ARN of the rule, which is the source of the invocations."
  value       = aws_cloudwatch_event_rule.this.arn
}
