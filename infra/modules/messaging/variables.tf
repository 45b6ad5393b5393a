variable "name" {
  type        = string
  description = "Prefix of the names of the alarms that may publish to the error topic, for example herald-dev."
}

variable "topic_name" {
  type        = string
  description = "Name of the topic to which events are published; the names of the queues begin with it."
}

variable "error_topic_name" {
  type        = string
  description = "Name of the topic on which operators are notified of alarms and of failures in functions."
}

variable "kms_key_arn" {
  type        = string
  description = "ARN of the key that encrypts topics and queues; its policy must allow SNS and CloudWatch to use it."
}

variable "kms_data_key_reuse_seconds" {
  type        = number
  description = "Number of seconds for which a queue reuses a data key. A longer time saves KMS calls; with a shorter time, a revoked key takes effect sooner."
  default     = 3600

  validation {
    condition     = var.kms_data_key_reuse_seconds >= 60 && var.kms_data_key_reuse_seconds <= 86400
    error_message = "SQS accepts 60 to 86400 seconds."
  }
}

variable "consumer_timeout" {
  type        = number
  description = "Timeout in seconds of the consuming function; the visibility timeout is six times as long."

  validation {
    condition     = var.consumer_timeout >= 1 && var.consumer_timeout <= 900
    error_message = "A Lambda timeout is 1 to 900 seconds."
  }
}

variable "max_receive_count" {
  type        = number
  description = "Number of receives after which a message moves to the dead-letter queue."
  default     = 3

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "SQS accepts whole numbers from 1 to 1000."
  }
}

variable "message_retention_seconds" {
  type        = number
  description = "Number of seconds for which the queue keeps a message: less than the 14 days of the dead-letter queues."
  default     = 345600

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds < 14 * 24 * 3600
    error_message = "Use at least 60 seconds, and less than the 14 days of the dead-letter queues: a dead letter's age counts from its arrival in the main queue."
  }
}

variable "alarm_email" {
  type        = string
  description = "Email address that is notified through the error topic, once it has confirmed the subscription; null for none."
  default     = null
}

variable "redrive_principals" {
  type        = list(string)
  description = "Principals that may redrive dead letters, and so may send messages to the queue, as the topic may. Each is root, role/<name> or user/<name>; * stands for any characters."

  validation {
    condition     = length(var.redrive_principals) > 0 && alltrue([for principal in var.redrive_principals : can(regex("^(root|(role|user)/[^*].*)$", principal))])
    error_message = "Name at least one principal: root, role/<name> or user/<name>, for example role/operators; a name must not begin with *."
  }
}
