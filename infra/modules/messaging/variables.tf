variable "name" {
  type        = string
  description = "Prefix of the alarms that may publish to the error topic, for example herald-dev."
}

variable "topic_name" {
  type        = string
  description = "Name of the topic of completed generations; the queues are named after it."
}

variable "error_topic_name" {
  type        = string
  description = "Name of the topic for operators: alarms and what a function could not publish otherwise."
}

variable "kms_key_arn" {
  type        = string
  description = "Key that encrypts topics and queues; its policy must admit SNS and CloudWatch."
}

variable "kms_data_key_reuse_seconds" {
  type        = number
  description = "Seconds a queue reuses a data key: longer costs fewer KMS calls, shorter notices a revoked key sooner."
  default     = 300

  validation {
    condition     = var.kms_data_key_reuse_seconds >= 60 && var.kms_data_key_reuse_seconds <= 86400
    error_message = "SQS accepts 60 to 86400 seconds."
  }
}

variable "consumer_timeout" {
  type        = number
  description = "Timeout of the consuming function in seconds; the queue hides a received message six times as long."

  validation {
    condition     = var.consumer_timeout >= 1 && var.consumer_timeout <= 900
    error_message = "A Lambda timeout is 1 to 900 seconds."
  }
}

variable "max_receive_count" {
  type        = number
  description = "Receives before a message moves to the dead-letter queue."
  default     = 3

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "SQS accepts whole numbers from 1 to 1000."
  }
}

variable "message_retention_seconds" {
  type        = number
  description = "Seconds an unprocessed message is kept in the queue; less than the 14 days of the dead-letter queues."
  default     = 345600

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds < 14 * 24 * 3600
    error_message = "Choose 60 seconds to less than 14 days: a dead letter's age counts from its first enqueue."
  }
}

variable "alarm_email" {
  type        = string
  description = "Address that receives the error topic's messages once it confirms the subscription; null for none."
  default     = null
}
