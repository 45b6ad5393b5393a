# Renamed resources: Terraform moves them in the state of a stage instead of replacing them.
moved {
  from = aws_sqs_queue.undeliverable
  to   = aws_sqs_queue.subscription_dead_letter
}
