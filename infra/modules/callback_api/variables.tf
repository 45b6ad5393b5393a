variable "name" {
  type        = string
  description = "Name of the API, for example herald-dev-callback."
}

variable "base_path" {
  type        = string
  description = "Path under which each provider has its address, for example /callbacks."

  validation {
    condition     = can(regex("^(/[0-9A-Za-z._-]+)+$", var.base_path))
    error_message = "Use a path that starts with a slash and does not end with one, without parameters, for example /callbacks."
  }
}

variable "invoke_arn" {
  type        = string
  description = "Invoke ARN of the function that receives the webhook."
}

variable "link" {
  type = object({
    base_path              = string
    invoke_arn             = string
    throttling_rate_limit  = number
    throttling_burst_limit = number
  })
  description = "Path of the links of kept outputs, the invoke ARN of the function that answers them, and their limits; null for none."
  default     = null
}

variable "access_log_group_name" {
  type        = string
  description = "Name of the access log's log group."
}

variable "logs_key_arn" {
  type        = string
  description = "ARN of the key that encrypts the log group."
}

variable "log_retention_days" {
  type        = number
  description = "Number of days for which the access log is kept."
}

variable "throttling_rate_limit" {
  type        = number
  description = "Steady rate of webhooks per second."
}

variable "throttling_burst_limit" {
  type        = number
  description = "Number of webhooks by which a burst may exceed the steady rate."
}

variable "disable_execute_api_endpoint" {
  type        = bool
  description = "Serve the API on its custom domain only."
  default     = false
}
