output "alarm_names" {
  description = "Names of all alarms."
  value       = sort([for key, text in local.texts : text.name if !contains(local.omitted, split("/", key)[0])])
}

output "runbooks" {
  description = "Headings that docs/operations.md must have, one for each kind of alarm."
  value       = sort(distinct(values(local.texts)[*].runbook))
}
