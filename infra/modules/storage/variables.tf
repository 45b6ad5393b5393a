variable "name" {
  type        = string
  description = "Prefix of the names of tables and secrets, for example herald-dev."
}

variable "kms_key_arn" {
  type        = string
  description = "ARN of the key that encrypts tables and secrets."
}

variable "deletion_protection" {
  type        = bool
  description = "Protect the tables against deletion."
  default     = false
}

variable "secret_recovery_days" {
  type        = number
  description = "Number of days for which a deleted secret can be restored. Its name stays reserved during this time. 0 deletes secrets at once."
  default     = 7

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "Secrets Manager accepts 0, or 7 to 30 days."
  }
}

variable "inbox_backups" {
  type        = bool
  description = "Keep point-in-time backups of the inbox. PostgreSQL has all results without them."
  default     = true
}

variable "single_secret" {
  type        = bool
  description = "Store all values in one secret, as JSON, instead of one secret each."
  default     = false
}
