variable "name" {
  type        = string
  description = "Prefix of the key aliases and of the alarms that may publish, for example herald-dev."
}

variable "topic_name" {
  type        = string
  description = "Name of the topic that writes into queues encrypted with the messaging key."
}

variable "log_group_prefixes" {
  type        = list(string)
  description = "Log groups whose names start with one of these may be encrypted with the logs key."

  validation {
    condition     = length(var.log_group_prefixes) > 0 && alltrue([for p in var.log_group_prefixes : startswith(p, "/")])
    error_message = "Give at least one log group prefix, each starting with \"/\"."
  }
}

variable "deletion_window_days" {
  type        = number
  description = "Days between scheduling a key's deletion and losing what it encrypts."
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "KMS accepts 7 to 30 days."
  }
}
