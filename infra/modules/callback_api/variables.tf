variable "name" {
  type        = string
  description = "Name of the API, for example herald-dev-callback."
}

variable "route_key" {
  type        = string
  description = "The one route, for example POST /callbacks/generations."

  validation {
    condition     = can(regex("^POST /[^ {}]+$", var.route_key))
    error_message = "A webhook is one fixed POST path."
  }
}

variable "invoke_arn" {
  type        = string
  description = "Invoke ARN of the function that receives the webhook."
}

variable "access_log_group_name" {
  type        = string
  description = "Name of the log group for the access log."
}

variable "logs_key_arn" {
  type        = string
  description = "Key that encrypts the log group."
}

variable "log_retention_days" {
  type        = number
  description = "Days the access log is kept."
}

variable "throttling_rate_limit" {
  type        = number
  description = "Steady webhooks per second."
}

variable "throttling_burst_limit" {
  type        = number
  description = "Webhooks that may come at once above the steady rate."
}
