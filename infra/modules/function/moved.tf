# A renamed instance: Terraform moves it in the state of a stage instead of replacing it.
moved {
  from = aws_lambda_event_source_mapping.queue["this"]
  to   = aws_lambda_event_source_mapping.queue["events"]
}
