output "alarm_names" {
  description = "Names of all alarms."
  value = sort([
    for key in concat(keys(local.alarms), keys(local.expression_alarms)) :
    "${var.name}-${replace(key, "/", "-")}"
  ])
}

output "runbooks" {
  description = "Headings that docs/operations.md must have, one per kind of alarm."
  value = sort(distinct([
    for key in concat(keys(local.alarms), keys(local.expression_alarms)) : split("/", key)[0]
  ]))
}
