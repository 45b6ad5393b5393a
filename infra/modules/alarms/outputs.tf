output "alarm_names" {
  description = "Names of all alarms."
  value       = sort(values(local.texts)[*].name)
}

output "runbooks" {
  description = "Headings that docs/operations.md must have, one for each kind of alarm."
  value       = sort(distinct(values(local.texts)[*].runbook))
}
