variable "name" {
  type        = string
  description = "Prefix of the key aliases, and of the names of the alarms that may publish, for example herald-dev."
}

variable "topic_name" {
  type        = string
  description = "Name of the topic that sends messages to queues encrypted with the messaging key."
}

variable "log_group_prefixes" {
  type        = list(string)
  description = "Prefixes of the names of the log groups that the logs key may encrypt."

  validation {
    condition     = length(var.log_group_prefixes) > 0 && alltrue([for p in var.log_group_prefixes : startswith(p, "/")])
    error_message = "Use at least one prefix; each starts with \"/\"."
  }
}

variable "deletion_window_days" {
  type        = number
  description = "Number of days for which a deleted key can be restored."
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "KMS accepts 7 to 30 days."
  }
}

variable "single_key" {
  type        = bool
  description = "Use one key for all purposes instead of one per purpose."
  default     = false
}
