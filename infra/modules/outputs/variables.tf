variable "name" {
  type        = string
  description = "Prefix of the names of the bucket, table, secret and key, for example herald-dev."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,27}$", var.name))
    error_message = "Use at most 28 lower-case letters, digits and hyphens: the bucket's name also contains the account and Region, and has at most 63 characters."
  }
}

variable "queue_prefix" {
  type        = string
  description = "Prefix of the queues' names: the topic's name."
}

variable "topic_arn" {
  type        = string
  description = "ARN of the topic to which events are published."
}

variable "messaging_key_arn" {
  type        = string
  description = "ARN of the key that encrypts queues; its policy must allow the topic to use it."
}

variable "storage_key_arn" {
  type        = string
  description = "ARN of the key that encrypts the table and the secret."
}

variable "consumer_timeout" {
  type        = number
  description = "Timeout in seconds of `keep`; the visibility timeout is slightly longer."

  validation {
    condition     = var.consumer_timeout >= 1 && var.consumer_timeout <= 900
    error_message = "A Lambda timeout is 1 to 900 seconds."
  }
}

variable "max_receive_count" {
  type        = number
  description = "Number of attempts to copy a generation's outputs before its event becomes a dead letter."
  default     = 5

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "SQS accepts whole numbers from 1 to 1000."
  }
}

variable "redrive_principals" {
  type        = list(string)
  description = "Principals that may redrive dead letters. Each is root, role/<name> or user/<name>; * stands for any characters."

  validation {
    condition     = length(var.redrive_principals) > 0 && alltrue([for principal in var.redrive_principals : can(regex("^(root|(role|user)/[^*].*)$", principal))])
    error_message = "Name at least one principal: root, role/<name> or user/<name>, for example role/operators; a name must not begin with *."
  }
}

variable "retention_days" {
  type        = number
  description = "Number of days for which copies are kept."
  default     = 30

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3650 && floor(var.retention_days) == var.retention_days
    error_message = "Use a whole number of days, from 1 to 3650."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Protect the table, and the bucket while it has objects, against deletion."
  default     = false
}

variable "key_deletion_days" {
  type        = number
  description = "Number of days for which the deleted key can be restored, 7 to 30."
  default     = 30
}

variable "secret_recovery_days" {
  type        = number
  description = "Number of days (7 to 30) for which the deleted secret can be restored. 0 deletes it at once."
  default     = 7
}
