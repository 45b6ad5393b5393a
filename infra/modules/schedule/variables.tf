variable "name" {
  type        = string
  description = "Name of the rule."
}

variable "description" {
  type        = string
  description = "Purpose of the schedule, in one line."
}

variable "schedule_expression" {
  type        = string
  description = "When to invoke the function, for example rate(1 minute)."

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.schedule_expression))
    error_message = "Use rate(…) or cron(…)."
  }
}

variable "function_arn" {
  type        = string
  description = "ARN of the function to invoke."
}
