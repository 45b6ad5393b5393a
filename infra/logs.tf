# What a stage logs, and for how long.

variable "log_level" {
  type        = string
  description = "Lowest level that is logged."
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "Allowed values: DEBUG, INFO, WARNING, ERROR."
  }
}

variable "log_sample_percent" {
  type        = number
  description = "Percentage of generations for which every step is logged, as at DEBUG, regardless of log_level."
  default     = 0

  validation {
    condition     = var.log_sample_percent >= 0 && var.log_sample_percent <= 100 && floor(var.log_sample_percent) == var.log_sample_percent
    error_message = "Use a whole number from 0 to 100."
  }
}

variable "tracing" {
  type        = bool
  description = "Send traces of all functions to AWS X-Ray."
  default     = false
}

variable "log_retention_days" {
  type        = number
  description = "Number of days for which logs are kept."
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "Allowed values: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731."
  }
}
